import { stripVTControlCharacters } from "node:util";

/** What a camera sees of a QR code drawn in a terminal: brightness, row by row. */
export type Picture = {
  readonly width: number;
  readonly height: number;
  readonly luma: Uint8Array;
};

const [WIDTH, HEIGHT] = [640, 480];
const PIXELS_A_MODULE = 5;
const LIGHT = 235;
/** Half blocks in white on black: whether the upper and the lower half are white. */
const GLYPHS: Readonly<Record<string, readonly [boolean, boolean]>> = {
  "█": [true, true],
  "▀": [true, false],
  "▄": [false, true],
  " ": [false, false],
};

export function pictureOf(drawn: string): Picture {
  const lines = stripVTControlCharacters(drawn).split("\n");
  const luma = new Uint8Array(WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const [column, row] = [Math.floor(x / PIXELS_A_MODULE), Math.floor(y / PIXELS_A_MODULE)];
      const halves = GLYPHS[lines[row >> 1]?.[column] ?? " "];
      if (halves?.[row & 1]) luma[y * WIDTH + x] = LIGHT;
    }
  }
  return { width: WIDTH, height: HEIGHT, luma };
}

export function toRgba({ luma }: Picture): Uint8ClampedArray {
  const rgba = new Uint8ClampedArray(luma.length * 4);
  for (const [i, value] of luma.entries()) rgba.set([value, value, value, 255], i * 4);
  return rgba;
}

/** A film of one picture, as Chromium takes it in place of a camera. */
export function filmOf({ width, height, luma }: Picture): Uint8Array {
  const header = `YUV4MPEG2 W${width} H${height} F10:1 Ip A1:1 C420jpeg\n`;
  const frame = [Buffer.from("FRAME\n"), luma, Buffer.alloc(luma.length / 2, 128)];
  return Buffer.concat([Buffer.from(header), ...frame, ...frame]);
}
