// AssemblyScript, compiled into core/encoding/keccak-kernel.ts by scripts/kernel.ts.
// Keccak-256 of many records of one size, two at a time: each 128-bit register holds a lane of both.

/** Two registers of 64 bits: where the state of both sponges lies while a block is taken in. */
const STATE: usize = memory.data(25 * 16, 16);
export const INPUT_BYTES: i32 = 65536;
const INPUT: usize = memory.data(65536, 16);
const OUTPUT: usize = memory.data(65536, 16);
const RATE: i32 = 136;
const LANES: i32 = 17;

const ROUND_CONSTANTS: usize = memory.data<u64>([
  0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
  0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
  0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
  0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
  0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
  0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
]);

export function input(): usize {
  return INPUT;
}

export function output(): usize {
  return OUTPUT;
}

/** Hashes `count` records of `size` bytes, one after the other in the input, into as many hashes in the output. */
export function hashRecords(size: i32, count: i32): void {
  for (let i = 0; i < count; i += 2) {
    const first = INPUT + <usize>(i * size);
    // The last of an odd number is hashed twice, into the same place.
    const odd = i + 1 == count;
    const target = OUTPUT + <usize>(i * 32);
    hashTwo(first, odd ? first : first + <usize>size, size, target, odd ? target : target + 32);
  }
}

function hashTwo(a: usize, b: usize, size: i32, outA: usize, outB: usize): void {
  memory.fill(STATE, 0, 25 * 16);
  let rest = size;
  for (; rest >= RATE; rest -= RATE) {
    for (let lane = 0; lane < LANES; lane++) {
      absorb(lane, load<u64>(a + <usize>(lane * 8)), load<u64>(b + <usize>(lane * 8)));
    }
    permute();
    a += RATE;
    b += RATE;
  }
  const full = rest >> 3;
  for (let lane = 0; lane < full; lane++) {
    absorb(lane, load<u64>(a + <usize>(lane * 8)), load<u64>(b + <usize>(lane * 8)));
  }
  // What lies behind a record is cut off, and Keccak's padding begins right behind it.
  const bits: u64 = <u64>((rest & 7) << 3);
  const mask: u64 = (<u64>1 << bits) - 1;
  const pad: u64 = <u64>1 << bits;
  const at = <usize>(full * 8);
  absorb(full, (load<u64>(a + at) & mask) | pad, (load<u64>(b + at) & mask) | pad);
  absorb(LANES - 1, <u64>1 << 63, <u64>1 << 63);
  permute();
  for (let lane: usize = 0; lane < 4; lane++) {
    const both = v128.load(STATE + lane * 16);
    store<u64>(outA + lane * 8, i64x2.extract_lane(both, 0));
    store<u64>(outB + lane * 8, i64x2.extract_lane(both, 1));
  }
}

// @ts-expect-error: decorator
@inline
function absorb(lane: i32, a: u64, b: u64): void {
  const at = STATE + <usize>(lane * 16);
  v128.store(at, v128.xor(v128.load(at), i64x2.replace_lane(i64x2.splat(a), 1, b)));
}

// @ts-expect-error: decorator
@inline
function rotate(x: v128, by: i32): v128 {
  return v128.or(i64x2.shl(x, by), i64x2.shr_u(x, 64 - by));
}

// @ts-expect-error: decorator
@inline
function xor5(a: v128, b: v128, c: v128, d: v128, e: v128): v128 {
  return v128.xor(v128.xor(v128.xor(a, b), v128.xor(c, d)), e);
}

// @ts-expect-error: decorator
@inline
function chi(a: v128, b: v128, c: v128): v128 {
  return v128.xor(a, v128.andnot(c, b));
}

/** Keccak-f[1600] on both states: theta, then rho and pi, then chi and iota. Unrolled, so that all stays in registers. */
function permute(): void {
  let s0 = v128.load(STATE, 0);
  let s1 = v128.load(STATE, 16);
  let s2 = v128.load(STATE, 32);
  let s3 = v128.load(STATE, 48);
  let s4 = v128.load(STATE, 64);
  let s5 = v128.load(STATE, 80);
  let s6 = v128.load(STATE, 96);
  let s7 = v128.load(STATE, 112);
  let s8 = v128.load(STATE, 128);
  let s9 = v128.load(STATE, 144);
  let s10 = v128.load(STATE, 160);
  let s11 = v128.load(STATE, 176);
  let s12 = v128.load(STATE, 192);
  let s13 = v128.load(STATE, 208);
  let s14 = v128.load(STATE, 224);
  let s15 = v128.load(STATE, 240);
  let s16 = v128.load(STATE, 256);
  let s17 = v128.load(STATE, 272);
  let s18 = v128.load(STATE, 288);
  let s19 = v128.load(STATE, 304);
  let s20 = v128.load(STATE, 320);
  let s21 = v128.load(STATE, 336);
  let s22 = v128.load(STATE, 352);
  let s23 = v128.load(STATE, 368);
  let s24 = v128.load(STATE, 384);
  for (let round: usize = 0; round < 24; round++) {
    const c0 = xor5(s0, s5, s10, s15, s20);
    const c1 = xor5(s1, s6, s11, s16, s21);
    const c2 = xor5(s2, s7, s12, s17, s22);
    const c3 = xor5(s3, s8, s13, s18, s23);
    const c4 = xor5(s4, s9, s14, s19, s24);
    const d0 = v128.xor(c4, rotate(c1, 1));
    const d1 = v128.xor(c0, rotate(c2, 1));
    const d2 = v128.xor(c1, rotate(c3, 1));
    const d3 = v128.xor(c2, rotate(c4, 1));
    const d4 = v128.xor(c3, rotate(c0, 1));
    const b0 = v128.xor(s0, d0);
    const b16 = rotate(v128.xor(s5, d0), 36);
    const b7 = rotate(v128.xor(s10, d0), 3);
    const b23 = rotate(v128.xor(s15, d0), 41);
    const b14 = rotate(v128.xor(s20, d0), 18);
    const b10 = rotate(v128.xor(s1, d1), 1);
    const b1 = rotate(v128.xor(s6, d1), 44);
    const b17 = rotate(v128.xor(s11, d1), 10);
    const b8 = rotate(v128.xor(s16, d1), 45);
    const b24 = rotate(v128.xor(s21, d1), 2);
    const b20 = rotate(v128.xor(s2, d2), 62);
    const b11 = rotate(v128.xor(s7, d2), 6);
    const b2 = rotate(v128.xor(s12, d2), 43);
    const b18 = rotate(v128.xor(s17, d2), 15);
    const b9 = rotate(v128.xor(s22, d2), 61);
    const b5 = rotate(v128.xor(s3, d3), 28);
    const b21 = rotate(v128.xor(s8, d3), 55);
    const b12 = rotate(v128.xor(s13, d3), 25);
    const b3 = rotate(v128.xor(s18, d3), 21);
    const b19 = rotate(v128.xor(s23, d3), 56);
    const b15 = rotate(v128.xor(s4, d4), 27);
    const b6 = rotate(v128.xor(s9, d4), 20);
    const b22 = rotate(v128.xor(s14, d4), 39);
    const b13 = rotate(v128.xor(s19, d4), 8);
    const b4 = rotate(v128.xor(s24, d4), 14);
    s0 = chi(b0, b1, b2);
    s1 = chi(b1, b2, b3);
    s2 = chi(b2, b3, b4);
    s3 = chi(b3, b4, b0);
    s4 = chi(b4, b0, b1);
    s5 = chi(b5, b6, b7);
    s6 = chi(b6, b7, b8);
    s7 = chi(b7, b8, b9);
    s8 = chi(b8, b9, b5);
    s9 = chi(b9, b5, b6);
    s10 = chi(b10, b11, b12);
    s11 = chi(b11, b12, b13);
    s12 = chi(b12, b13, b14);
    s13 = chi(b13, b14, b10);
    s14 = chi(b14, b10, b11);
    s15 = chi(b15, b16, b17);
    s16 = chi(b16, b17, b18);
    s17 = chi(b17, b18, b19);
    s18 = chi(b18, b19, b15);
    s19 = chi(b19, b15, b16);
    s20 = chi(b20, b21, b22);
    s21 = chi(b21, b22, b23);
    s22 = chi(b22, b23, b24);
    s23 = chi(b23, b24, b20);
    s24 = chi(b24, b20, b21);
    s0 = v128.xor(s0, v128.load_splat<u64>(ROUND_CONSTANTS + round * 8));
  }
  v128.store(STATE, s0, 0);
  v128.store(STATE, s1, 16);
  v128.store(STATE, s2, 32);
  v128.store(STATE, s3, 48);
  v128.store(STATE, s4, 64);
  v128.store(STATE, s5, 80);
  v128.store(STATE, s6, 96);
  v128.store(STATE, s7, 112);
  v128.store(STATE, s8, 128);
  v128.store(STATE, s9, 144);
  v128.store(STATE, s10, 160);
  v128.store(STATE, s11, 176);
  v128.store(STATE, s12, 192);
  v128.store(STATE, s13, 208);
  v128.store(STATE, s14, 224);
  v128.store(STATE, s15, 240);
  v128.store(STATE, s16, 256);
  v128.store(STATE, s17, 272);
  v128.store(STATE, s18, 288);
  v128.store(STATE, s19, 304);
  v128.store(STATE, s20, 320);
  v128.store(STATE, s21, 336);
  v128.store(STATE, s22, 352);
  v128.store(STATE, s23, 368);
  v128.store(STATE, s24, 384);
}
