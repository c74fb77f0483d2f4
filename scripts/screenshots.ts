import { spawnSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The pictures in the docs, taken where the pages' own tests stand: on a real chain with real bundles. */
const KEPT = [
  "claim-desktop-light",
  "claim-phone-dark",
  "tampered-phone-light",
  "audit-desktop-light",
  "epoch-desktop-dark",
];

const checkout = fileURLToPath(new URL("..", import.meta.url));
const images = join(checkout, "docs", "images");
const runner = join(checkout, "scripts", "test.ts");

const folder = await mkdtemp(join(tmpdir(), "link-screenshots-"));
try {
  const { status } = spawnSync(process.execPath, [runner, "web/appearance"], {
    cwd: checkout,
    env: { ...process.env, LINK_SCREENSHOTS: folder },
    stdio: ["ignore", process.stderr, process.stderr],
  });
  if (status !== 0) throw new Error(`the pages' tests ended with ${status}`);
  await mkdir(images, { recursive: true });
  for (const name of KEPT) {
    await copyFile(join(folder, `${name}.png`), join(images, `${name}.png`));
    process.stdout.write(`docs/images/${name}.png\n`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
