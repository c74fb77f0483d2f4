import { randomUUID } from "node:crypto";
import {
  copyFile,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
} from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import type { Readable } from "node:stream";
import { syncFolder } from "@link-rewards/host/durable-files";
import FileSystem, { Resource } from "@nephele/adapter-file-system";
import {
  BadGatewayError,
  ForbiddenError,
  MethodNotSupportedError,
  ResourceExistsError,
  ResourceNotFoundError,
  ResourceTreeNotCompleteError,
} from "nephele";
import { BLOCK_BYTES, type Quota } from "./quota.ts";

/** In the shared folder, so that what is whole can be renamed to its place: what is on its way in. Nobody sees it. */
const UPLOADS = ".link-home-uploads";
/** Beside a file: its locks, and properties that clients gave it. */
const META = ".nephelemeta";
/** Of one file's locks and properties. */
const MOST_META_BYTES = 65_536;

type Meta = Awaited<ReturnType<Resource["readMetadataFile"]>>;

/**
 * A folder as a WebDAV share. Nephele's file system adapter writes into files where they are and follows links; here a
 * file is written beside, and renamed when it is whole and on the disk, within a quota, and no link is followed.
 */
export class Share extends FileSystem {
  readonly quota: Quota;

  constructor(root: string, quota: Quota) {
    super({ root });
    this.quota = quota;
  }

  override async getResource(url: URL, baseUrl: URL): Promise<SharedFile> {
    const found = await this.newResource(url, baseUrl);
    if (!(await found.exists())) throw new ResourceNotFoundError("Nothing is there.");
    return found;
  }

  override async newResource(url: URL, baseUrl: URL): Promise<SharedFile> {
    return new SharedFile({ adapter: this, baseUrl, path: await this.pathOf(url, baseUrl) });
  }

  override async newCollection(url: URL, baseUrl: URL): Promise<SharedFile> {
    const path = await this.pathOf(url, baseUrl);
    return new SharedFile({ adapter: this, baseUrl, path, collection: true });
  }

  /** Relative to the root. Throws for what is no file and no folder, and for what nobody sees. */
  async pathOf(url: URL, baseUrl: URL): Promise<string> {
    const path = this.urlToRelativePath(url, baseUrl);
    if (path === null) throw new BadGatewayError("That is not on this server.");
    let whole = this.root;
    for (const name of path.split(sep).filter((each) => each !== "")) {
      if (isHidden(name)) throw new ForbiddenError("Such a name is not taken.");
      whole = join(whole, name);
      const found = await lstat(whole).catch(() => undefined);
      if (found !== undefined && !found.isFile() && !found.isDirectory())
        throw new ForbiddenError("That is no file and no folder.");
    }
    return path;
  }

  /** A name for something that is on its way in. */
  temporary(): string {
    return join(this.root, UPLOADS, randomUUID());
  }
}

/** Without what a crash left of uploads. */
export async function openShare(root: string, quotaOf: () => Promise<Quota>): Promise<Share> {
  await rm(join(root, UPLOADS), { recursive: true, force: true });
  await mkdir(join(root, UPLOADS), { mode: 0o700 });
  return new Share(root, await quotaOf());
}

function isHidden(name: string): boolean {
  // Also where a file system does not tell capitals.
  const plain = name.toLowerCase();
  return plain === UPLOADS || plain.endsWith(META);
}

class SharedFile extends Resource {
  declare adapter: Share;

  override async setStream(input: Readable): Promise<void> {
    await this.requireParent(this.absolutePath);
    if (await this.isCollection()) throw new MethodNotSupportedError("That is a folder.");
    await this.put(this.absolutePath, async (temporary, hold) => {
      const file = await open(temporary, "wx", 0o600);
      try {
        // Where there is no room for it, the rest is not read, and there is still an answer.
        for await (const piece of input.iterator({ destroyOnReturn: false })) {
          hold(piece.length);
          await file.writeFile(piece);
        }
        await file.sync();
      } finally {
        await file.close();
      }
    });
  }

  override async create(): Promise<void> {
    if (await this.exists()) throw new ResourceExistsError("Something is there.");
    await this.requireParent(this.absolutePath);
    if (!(await this.isCollection())) return this.put(this.absolutePath, touch);
    await this.makeFolder(this.absolutePath);
  }

  override async delete(): Promise<void> {
    const path = this.absolutePath;
    if (!(await this.isCollection())) {
      const meta = metaOf(path);
      await this.adapter.quota.change([path, meta], async () => {
        await rm(meta, { force: true });
        await rm(path);
      });
      return;
    }
    await this.adapter.quota.change([path], async () => {
      for (const name of await readdir(path))
        if (name.endsWith(META)) await rm(join(path, name), { force: true });
      await rmdir(path);
    });
  }

  override async copy(destination: URL, baseUrl: URL): Promise<void> {
    const path = await this.destinationOf(destination, baseUrl);
    if (await this.isCollection()) await this.makeFolder(path);
    else
      await this.put(path, async (temporary, hold) => {
        hold(await this.getLength());
        await copyFile(this.absolutePath, temporary);
        await syncFile(temporary);
      });
    const meta = (await this.isCollection()) ? join(path, META) : metaOf(path);
    await this.saveMetadataFile({ ...(await this.readMetadataFile()), locks: {} }, path, meta);
  }

  /** A folder's members are copied and deleted one by one. */
  override async move(destination: URL, baseUrl: URL): Promise<void> {
    if (await this.isCollection()) throw new MethodNotSupportedError("That is a folder.");
    const path = await this.destinationOf(destination, baseUrl);
    const from = this.absolutePath;
    const meta: Meta = { ...(await this.readMetadataFile()), locks: {} };
    await this.adapter.quota.change([from, metaOf(from), path, metaOf(path)], async () => {
      await rename(from, path);
      await rm(metaOf(from), { force: true });
      await rm(metaOf(path), { force: true });
      await syncFolder(dirname(path));
      await syncFolder(dirname(from));
    });
    await this.saveMetadataFile(meta, path, metaOf(path));
  }

  override async getInternalMembers(): Promise<SharedFile[]> {
    const { adapter, baseUrl } = this;
    const entries = await readdir(this.absolutePath, { withFileTypes: true });
    return entries
      .filter((each) => !isHidden(each.name) && (each.isFile() || each.isDirectory()))
      .map(({ name }) => new SharedFile({ adapter, baseUrl, path: `${this.path}${sep}${name}` }));
  }

  override async getFreeSpace(): Promise<number> {
    return Math.max(0, this.adapter.quota.free());
  }

  /** Nephele gives it as quota-used-bytes. */
  override async getTotalSpace(): Promise<number> {
    return this.adapter.quota.bytes - this.adapter.quota.free();
  }

  override async readMetadataFile(): Promise<Meta> {
    const path = await this.getMetadataFilePath();
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return "{}";
      throw error;
    });
    return JSON.parse(text) as Meta;
  }

  override async saveMetadataFile(meta: Meta, _of?: string, metaPath?: string): Promise<void> {
    const path = metaPath ?? (await this.getMetadataFilePath());
    if (Object.keys({ ...meta.props, ...meta.locks }).length === 0) {
      await this.adapter.quota.change([path], () => rm(path, { force: true }));
      return;
    }
    const text = JSON.stringify(meta);
    if (text.length > MOST_META_BYTES) throw new ForbiddenError("That is too much to keep of it.");
    await this.put(path, async (temporary, hold) => {
      hold(Buffer.byteLength(text));
      await touch(temporary, text);
    });
  }

  /** Has it written beside, and puts it in its place when it is whole. */
  private async put(
    path: string,
    write: (temporary: string, hold: (bytes: number) => void) => Promise<void>,
  ): Promise<void> {
    const { quota } = this.adapter;
    const temporary = this.adapter.temporary();
    let held = 0;
    const hold = (bytes: number) => {
      quota.hold(bytes);
      held += bytes;
    };
    try {
      hold(BLOCK_BYTES);
      await write(temporary, hold);
      await quota.change([path], async () => {
        await rename(temporary, path);
        await syncFolder(dirname(path));
      });
    } finally {
      quota.release(held);
      await rm(temporary, { force: true });
    }
  }

  private async makeFolder(path: string): Promise<void> {
    const { quota } = this.adapter;
    quota.hold(BLOCK_BYTES);
    try {
      await quota.change([path], () => mkdir(path));
    } catch (error) {
      const isThere = await lstat(path).then(
        (found) => found.isDirectory(),
        () => false,
      );
      if (!isThere) throw error;
    } finally {
      quota.release(BLOCK_BYTES);
    }
  }

  private async destinationOf(destination: URL, baseUrl: URL): Promise<string> {
    const path = join(this.adapter.root, await this.adapter.pathOf(destination, baseUrl));
    const own = join(this.absolutePath);
    if (path === own || path.startsWith(join(own, sep)))
      throw new ForbiddenError("That is the same, or within it.");
    await this.requireParent(path);
    return path;
  }

  private async requireParent(path: string): Promise<void> {
    const parent = await lstat(dirname(path)).catch(() => undefined);
    if (!parent?.isDirectory())
      throw new ResourceTreeNotCompleteError("The folder that it would be in is not there.");
  }
}

function metaOf(path: string): string {
  return join(dirname(path), `${basename(path)}${META}`);
}

async function touch(path: string, text: unknown = ""): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    if (typeof text === "string") await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
