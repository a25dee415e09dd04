/**
 * How many characters a new password has. The largest is the limit of passlib, so whatever an old system accepted signs in
 * here. A password of this length costs no more time than a short one: each hash begins by making it short.
 */
export const PASSWORD_LENGTH = { min: 8, max: 4096 };
