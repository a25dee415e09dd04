import { environment, WrongSetting } from "./environment";

/** Check the settings at the start. If one is wrong, print a line and exit, before the first visitor gets an error. */
export function checkEnvironment(): void {
  try {
    environment();
  } catch (error) {
    if (!(error instanceof WrongSetting)) throw error;
    console.error(`Wrong setting: ${error.message}`);
    process.exit(78);
  }
}
