/** For what is named by its content: another content has another name. */
export const FOR_EVER = "public, max-age=31536000, immutable";
