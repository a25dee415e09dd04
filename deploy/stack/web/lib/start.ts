import { environment, WrongSetting } from "./environment";

/** End the process with one line where a setting is wrong: before the first visitor finds out. */
export function checkEnvironment(): void {
  try {
    environment();
  } catch (error) {
    if (!(error instanceof WrongSetting)) throw error;
    console.error(`Wrong setting: ${error.message}`);
    process.exit(78);
  }
}
