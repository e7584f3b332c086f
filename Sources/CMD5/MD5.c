#include "CMD5.h"

#include <string.h>

static const uint32_t initial[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

void drover_md5_init(struct drover_md5 *hash) {
  memcpy(hash->state, initial, sizeof initial);
  hash->count = 0;
}

// The 64 steps of a block. `STEP(mix, a, b, c, d, number, shift, constant)` does one.
#define FOUR_STEPS(mix, n0, n1, n2, n3, s0, s1, s2, s3, c0, c1, c2, c3) \
  STEP(mix, a, b, c, d, n0, s0, c0)                                     \
  STEP(mix, d, a, b, c, n1, s1, c1)                                     \
  STEP(mix, c, d, a, b, n2, s2, c2)                                     \
  STEP(mix, b, c, d, a, n3, s3, c3)

#define F_STEPS(n0, n1, n2, n3, c0, c1, c2, c3) \
  FOUR_STEPS(MIX_F, n0, n1, n2, n3, 7, 12, 17, 22, c0, c1, c2, c3)
#define G_STEPS(n0, n1, n2, n3, c0, c1, c2, c3) \
  FOUR_STEPS(MIX_G, n0, n1, n2, n3, 5, 9, 14, 20, c0, c1, c2, c3)
#define H_STEPS(n0, n1, n2, n3, c0, c1, c2, c3) \
  FOUR_STEPS(MIX_H, n0, n1, n2, n3, 4, 11, 16, 23, c0, c1, c2, c3)
#define I_STEPS(n0, n1, n2, n3, c0, c1, c2, c3) \
  FOUR_STEPS(MIX_I, n0, n1, n2, n3, 6, 10, 15, 21, c0, c1, c2, c3)

// Adds what waits for nothing first; of G both halves are disjoint, so that a sum is their union.
#define MIX_F(b, c, d) (d ^ (b & (c ^ d)))
#define MIX_G(b, c, d) ((c & ~d) + (b & d))
#define MIX_H(b, c, d) (b ^ (c ^ d))
#define MIX_I(b, c, d) (c ^ (b | ~d))
#define STEP(mix, a, b, c, d, number, shift, constant) \
  a += words[number] + constant;                       \
  a += mix(b, c, d);                                   \
  a = (a << shift) | (a >> (32 - shift));              \
  a += b;

#define ALL_STEPS                                                                       \
  F_STEPS(0, 1, 2, 3, 0xd76aa478u, 0xe8c7b756u, 0x242070dbu, 0xc1bdceeeu)               \
  F_STEPS(4, 5, 6, 7, 0xf57c0fafu, 0x4787c62au, 0xa8304613u, 0xfd469501u)               \
  F_STEPS(8, 9, 10, 11, 0x698098d8u, 0x8b44f7afu, 0xffff5bb1u, 0x895cd7beu)             \
  F_STEPS(12, 13, 14, 15, 0x6b901122u, 0xfd987193u, 0xa679438eu, 0x49b40821u)           \
  G_STEPS(1, 6, 11, 0, 0xf61e2562u, 0xc040b340u, 0x265e5a51u, 0xe9b6c7aau)              \
  G_STEPS(5, 10, 15, 4, 0xd62f105du, 0x02441453u, 0xd8a1e681u, 0xe7d3fbc8u)             \
  G_STEPS(9, 14, 3, 8, 0x21e1cde6u, 0xc33707d6u, 0xf4d50d87u, 0x455a14edu)              \
  G_STEPS(13, 2, 7, 12, 0xa9e3e905u, 0xfcefa3f8u, 0x676f02d9u, 0x8d2a4c8au)             \
  H_STEPS(5, 8, 11, 14, 0xfffa3942u, 0x8771f681u, 0x6d9d6122u, 0xfde5380cu)             \
  H_STEPS(1, 4, 7, 10, 0xa4beea44u, 0x4bdecfa9u, 0xf6bb4b60u, 0xbebfbc70u)              \
  H_STEPS(13, 0, 3, 6, 0x289b7ec6u, 0xeaa127fau, 0xd4ef3085u, 0x04881d05u)              \
  H_STEPS(9, 12, 15, 2, 0xd9d4d039u, 0xe6db99e5u, 0x1fa27cf8u, 0xc4ac5665u)             \
  I_STEPS(0, 7, 14, 5, 0xf4292244u, 0x432aff97u, 0xab9423a7u, 0xfc93a039u)              \
  I_STEPS(12, 3, 10, 1, 0x655b59c3u, 0x8f0ccc92u, 0xffeff47du, 0x85845dd1u)             \
  I_STEPS(8, 15, 6, 13, 0x6fa87e4fu, 0xfe2ce6e0u, 0xa3014314u, 0x4e0811a1u)             \
  I_STEPS(4, 11, 2, 9, 0xf7537e82u, 0xbd3af235u, 0x2ad7d2bbu, 0xeb86d391u)

static inline uint32_t word(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16
         | (uint32_t)bytes[3] << 24;
}

static void add_blocks(uint32_t *state, const uint8_t *bytes, size_t block_count) {
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  for (; block_count > 0; block_count--, bytes += 64) {
    uint32_t words[16], a_before = a, b_before = b, c_before = c, d_before = d;
    for (int i = 0; i < 16; i++) words[i] = word(bytes + 4 * i);
    ALL_STEPS
    a += a_before;
    b += b_before;
    c += c_before;
    d += d_before;
  }
  state[0] = a;
  state[1] = b;
  state[2] = c;
  state[3] = d;
}

#if defined(__x86_64__)
#include <immintrin.h>

// One word of each of the eight messages.
typedef uint32_t octet __attribute__((vector_size(32)));

#define LANE_TARGET(features) __attribute__((target(features), always_inline)) static inline

// Turns eight rows of eight words.
LANE_TARGET("avx2") void transpose(const __m256i row[8], octet *columns) {
  __m256i pair[8], four[8];
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_epi32(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_epi32(row[i], row[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    four[i] = _mm256_unpacklo_epi64(pair[i], pair[i + 2]);
    four[i + 1] = _mm256_unpackhi_epi64(pair[i], pair[i + 2]);
    four[i + 2] = _mm256_unpacklo_epi64(pair[i + 1], pair[i + 3]);
    four[i + 3] = _mm256_unpackhi_epi64(pair[i + 1], pair[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    columns[i] = (octet)_mm256_permute2x128_si256(four[i], four[i + 4], 0x20);
    columns[i + 4] = (octet)_mm256_permute2x128_si256(four[i], four[i + 4], 0x31);
  }
}

LANE_TARGET("avx2") void load_words(const uint8_t *const *bytes, size_t offset, octet words[16]) {
  for (int half = 0; half < 2; half++) {
    __m256i row[8];
    for (int i = 0; i < 8; i++)
      row[i] = _mm256_loadu_si256((const __m256i *)(bytes[i] + offset + 32 * half));
    transpose(row, words + 8 * half);
  }
}

#define LANES_BODY                                                                      \
  octet a = state[0], b = state[1], c = state[2], d = state[3];                         \
  for (size_t offset = 0; offset < 64 * block_count; offset += 64) {                    \
    octet words[16], a_before = a, b_before = b, c_before = c, d_before = d;            \
    load_words(bytes, offset, words);                                                   \
    ALL_STEPS                                                                           \
    a += a_before;                                                                      \
    b += b_before;                                                                      \
    c += c_before;                                                                      \
    d += d_before;                                                                      \
  }                                                                                     \
  state[0] = a;                                                                         \
  state[1] = b;                                                                         \
  state[2] = c;                                                                         \
  state[3] = d;

__attribute__((target("avx2"))) static void add_octets(octet *state, const uint8_t *const *bytes,
                                                        size_t block_count) {
  LANES_BODY
}

// With rotations and functions of three words as single instructions.
__attribute__((target("avx2,avx512f,avx512vl"))) static void add_octets_512(
    octet *state, const uint8_t *const *bytes, size_t block_count) {
  LANES_BODY
}

static int has_lanes(void) { return __builtin_cpu_supports("avx2"); }

// Adds blocks to up to eight messages. Lanes without one of their own repeat the first.
__attribute__((target("avx2"))) static void add_lanes(uint32_t *const *states,
                                                       const uint8_t *const *bytes,
                                                       size_t lane_count, size_t block_count) {
  octet state[4];
  const uint8_t *sources[8];
  for (size_t lane = 0; lane < 8; lane++) {
    size_t own = lane < lane_count ? lane : 0;
    sources[lane] = bytes[own];
    for (int i = 0; i < 4; i++) state[i][lane] = states[own][i];
  }
  if (__builtin_cpu_supports("avx512vl"))
    add_octets_512(state, sources, block_count);
  else
    add_octets(state, sources, block_count);
  for (size_t lane = 0; lane < lane_count; lane++)
    for (int i = 0; i < 4; i++) states[lane][i] = state[i][lane];
}

#else

static int has_lanes(void) { return 0; }

static void add_lanes(uint32_t *const *states, const uint8_t *const *bytes, size_t lane_count,
                      size_t block_count) {
  __builtin_trap();
}

#endif

// Completes a block that was begun; gives how many bytes of `bytes` that took.
static size_t fill_block(struct drover_md5 *hash, const uint8_t *bytes, size_t count) {
  size_t filled = hash->count % 64;
  if (filled == 0 || count == 0) return 0;
  size_t taken = count < 64 - filled ? count : 64 - filled;
  memcpy(hash->block + filled, bytes, taken);
  hash->count += taken;
  if (filled + taken == 64) add_blocks(hash->state, hash->block, 1);
  return taken;
}

// Takes bytes of which at most the last block is not whole, behind whole blocks.
static void add_rest(struct drover_md5 *hash, const uint8_t *bytes, size_t count) {
  size_t block_count = count / 64, left = count % 64;
  if (block_count > 0) add_blocks(hash->state, bytes, block_count);
  if (left > 0) memcpy(hash->block, bytes + 64 * block_count, left);
  hash->count += count;
}

void drover_md5_update(struct drover_md5 *hash, const void *bytes, size_t count) {
  size_t taken = fill_block(hash, bytes, count);
  if (taken < count) add_rest(hash, (const uint8_t *)bytes + taken, count - taken);
}

void drover_md5_update_lanes(const struct drover_md5_piece *pieces, size_t piece_count) {
  const uint8_t *bytes[DROVER_MD5_LANE_COUNT];
  size_t counts[DROVER_MD5_LANE_COUNT];
  for (size_t i = 0; i < piece_count; i++) {
    size_t taken = fill_block(pieces[i].hash, pieces[i].bytes, pieces[i].count);
    bytes[i] = (const uint8_t *)pieces[i].bytes + taken;
    counts[i] = pieces[i].count - taken;
  }
  // Side by side as long as two or more have whole blocks, each time as many as all of these have.
  while (has_lanes()) {
    uint32_t *states[DROVER_MD5_LANE_COUNT];
    const uint8_t *lanes[DROVER_MD5_LANE_COUNT];
    size_t members[DROVER_MD5_LANE_COUNT], lane_count = 0, block_count = 0;
    for (size_t i = 0; i < piece_count; i++) {
      size_t blocks = counts[i] / 64;
      if (blocks == 0) continue;
      if (lane_count == 0 || blocks < block_count) block_count = blocks;
      states[lane_count] = pieces[i].hash->state;
      lanes[lane_count] = bytes[i];
      members[lane_count++] = i;
    }
    if (lane_count < 2) break;
    add_lanes(states, lanes, lane_count, block_count);
    for (size_t lane = 0; lane < lane_count; lane++) {
      size_t i = members[lane];
      pieces[i].hash->count += 64 * block_count;
      bytes[i] += 64 * block_count;
      counts[i] -= 64 * block_count;
    }
  }
  for (size_t i = 0; i < piece_count; i++)
    if (counts[i] > 0) add_rest(pieces[i].hash, bytes[i], counts[i]);
}

void drover_md5_finish(struct drover_md5 *hash, uint8_t *digest) {
  uint64_t bit_count = hash->count * 8;
  size_t filled = hash->count % 64;
  hash->block[filled++] = 0x80;
  if (filled > 56) {
    memset(hash->block + filled, 0, 64 - filled);
    add_blocks(hash->state, hash->block, 1);
    filled = 0;
  }
  memset(hash->block + filled, 0, 56 - filled);
  for (int i = 0; i < 8; i++) hash->block[56 + i] = (uint8_t)(bit_count >> (8 * i));
  add_blocks(hash->state, hash->block, 1);
  for (int i = 0; i < 16; i++) digest[i] = (uint8_t)(hash->state[i / 4] >> (8 * (i % 4)));
  drover_md5_init(hash);
}
