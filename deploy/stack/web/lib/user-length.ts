/**
 * How many characters these fields of a user may have. AuthGate's headers and the data cookie hold a user, and proxies
 * refuse large headers: a user with longer fields could open no page.
 */
export const USER_LENGTH = { name: 100, email: 254, image: 2000 };
