/** Vite bundles it; TypeScript only has to know that it is there. */
declare module "*.css";
