// AssemblyScript: a job for a device. A smaller picture, each pixel the mean of what it stands for.
// Input: width, height, new width, new height (u32 each, little-endian), then the pixels, row by row, four bytes each
// (red, green, blue, alpha). Output: the pixels of the new picture. Whole numbers only, rounded to the nearest.

const HEADER: usize = 16;
/** So that no product of two sides runs over. */
const MOST: u32 = 65_535;

export function allocate(bytes: i32): usize {
  return heap.alloc(bytes);
}

export function run(input: usize, bytes: i32): u64 {
  const width = load<u32>(input);
  const height = load<u32>(input, 4);
  const newWidth = load<u32>(input, 8);
  const newHeight = load<u32>(input, 12);
  if (width > MOST || height > MOST) unreachable();
  if (<u64>bytes != HEADER + <u64>width * height * 4) unreachable();
  if (newWidth == 0 || newHeight == 0 || newWidth > width || newHeight > height) unreachable();
  const pixels = input + HEADER;
  const size = <u64>newWidth * newHeight * 4;
  const made = heap.alloc(<usize>size);
  for (let y: u32 = 0; y < newHeight; y++) {
    const top = <u32>((<u64>y * height) / newHeight);
    const bottom = <u32>((<u64>(y + 1) * height) / newHeight);
    for (let x: u32 = 0; x < newWidth; x++) {
      const left = <u32>((<u64>x * width) / newWidth);
      const right = <u32>((<u64>(x + 1) * width) / newWidth);
      const count = <u64>(bottom - top) * (right - left);
      for (let channel: u32 = 0; channel < 4; channel++) {
        let sum: u64 = 0;
        for (let row = top; row < bottom; row++) {
          const start = pixels + (<usize>row * width + left) * 4 + channel;
          for (let i: u32 = 0; i < right - left; i++) sum += load<u8>(start + i * 4);
        }
        store<u8>(made + (<usize>y * newWidth + x) * 4 + channel, <u8>((sum + count / 2) / count));
      }
    }
  }
  return ((<u64>made) << 32) | size;
}
