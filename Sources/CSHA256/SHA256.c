#include "CSHA256.h"

#include <string.h>

static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

void drover_sha256_init(struct drover_sha256 *hash) {
  memcpy(hash->state, initial, sizeof initial);
  hash->count = 0;
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

static const uint32_t constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

int drover_sha256_is_available(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  int has_vectors = (c & bit_SSSE3) && (c & bit_SSE4_1);
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  return has_vectors && (b & bit_SHA) != 0;
}

// The instructions hold the eight words as two vectors, ABEF and CDGH.
struct lanes {
  __m128i abef, cdgh;
};

#define SHA_TARGET __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline

SHA_TARGET struct lanes load_state(const uint32_t *state) {
  __m128i abcd = _mm_loadu_si128((const __m128i *)state);
  __m128i efgh = _mm_loadu_si128((const __m128i *)(state + 4));
  __m128i badc = _mm_shuffle_epi32(abcd, 0xb1);
  __m128i hgfe = _mm_shuffle_epi32(efgh, 0x1b);
  struct lanes lanes = {_mm_alignr_epi8(badc, hgfe, 8), _mm_blend_epi16(hgfe, badc, 0xf0)};
  return lanes;
}

SHA_TARGET void store_state(struct lanes lanes, uint32_t *state) {
  __m128i feba = _mm_shuffle_epi32(lanes.abef, 0x1b);
  __m128i dchg = _mm_shuffle_epi32(lanes.cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

SHA_TARGET void load_words(const uint8_t *block, __m128i words[4]) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  for (int i = 0; i < 4; i++)
    words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), big_endian);
}

// Four rounds; `words` is a ring of the last sixteen words.
SHA_TARGET void four_rounds(struct lanes *lanes, __m128i words[4], int number) {
  __m128i now;
  if (number < 4) {
    now = words[number];
  } else {
    __m128i *oldest = &words[number & 3], last = words[(number + 3) & 3];
    __m128i sum = _mm_sha256msg1_epu32(*oldest, words[(number + 1) & 3]);
    sum = _mm_add_epi32(sum, _mm_alignr_epi8(last, words[(number + 2) & 3], 4));
    now = *oldest = _mm_sha256msg2_epu32(sum, last);
  }
  now = _mm_add_epi32(now, _mm_load_si128((const __m128i *)(constants + 4 * number)));
  lanes->cdgh = _mm_sha256rnds2_epu32(lanes->cdgh, lanes->abef, now);
  lanes->abef = _mm_sha256rnds2_epu32(lanes->abef, lanes->cdgh, _mm_shuffle_epi32(now, 0x0e));
}

SHA_TARGET struct lanes sum_of(struct lanes a, struct lanes b) {
  struct lanes sum = {_mm_add_epi32(a.abef, b.abef), _mm_add_epi32(a.cdgh, b.cdgh)};
  return sum;
}

__attribute__((target("sha,sse4.1,ssse3"))) static void add_blocks(
    uint32_t *state, const uint8_t *bytes, size_t block_count) {
  struct lanes lanes = load_state(state);
  for (; block_count > 0; block_count--, bytes += 64) {
    struct lanes before = lanes;
    __m128i words[4];
    load_words(bytes, words);
#pragma clang loop unroll(full)
    for (int number = 0; number < 16; number++) four_rounds(&lanes, words, number);
    lanes = sum_of(lanes, before);
  }
  store_state(lanes, state);
}

__attribute__((target("sha,sse4.1,ssse3"))) static void add_block_pairs(
    uint32_t *first_state, const uint8_t *first, uint32_t *second_state, const uint8_t *second,
    size_t block_count) {
  struct lanes a = load_state(first_state), b = load_state(second_state);
  for (; block_count > 0; block_count--, first += 64, second += 64) {
    struct lanes a_before = a, b_before = b;
    __m128i a_words[4], b_words[4];
    load_words(first, a_words);
    load_words(second, b_words);
#pragma clang loop unroll(full)
    for (int number = 0; number < 16; number++) {
      four_rounds(&a, a_words, number);
      four_rounds(&b, b_words, number);
    }
    a = sum_of(a, a_before);
    b = sum_of(b, b_before);
  }
  store_state(a, first_state);
  store_state(b, second_state);
}

#else

int drover_sha256_is_available(void) { return 0; }

static void add_blocks(uint32_t *state, const uint8_t *bytes, size_t block_count) {
  __builtin_trap();
}

static void add_block_pairs(uint32_t *first_state, const uint8_t *first, uint32_t *second_state,
                            const uint8_t *second, size_t block_count) {
  __builtin_trap();
}

#endif

// Completes a block that was begun; gives how many bytes of `bytes` that took.
static size_t fill_block(struct drover_sha256 *hash, const uint8_t *bytes, size_t count) {
  size_t filled = hash->count % 64;
  if (filled == 0 || count == 0) return 0;
  size_t taken = count < 64 - filled ? count : 64 - filled;
  memcpy(hash->block + filled, bytes, taken);
  hash->count += taken;
  if (filled + taken == 64) add_blocks(hash->state, hash->block, 1);
  return taken;
}

// Takes bytes of which at most the last block is not whole, behind whole blocks.
static void add_rest(struct drover_sha256 *hash, const uint8_t *bytes, size_t count) {
  size_t block_count = count / 64, left = count % 64;
  if (block_count > 0) add_blocks(hash->state, bytes, block_count);
  if (left > 0) memcpy(hash->block, bytes + 64 * block_count, left);
  hash->count += count;
}

void drover_sha256_update(struct drover_sha256 *hash, const void *bytes, size_t count) {
  size_t taken = fill_block(hash, bytes, count);
  if (taken < count) add_rest(hash, (const uint8_t *)bytes + taken, count - taken);
}

void drover_sha256_update_pair(struct drover_sha256 *first, const void *first_bytes,
                               size_t first_count, struct drover_sha256 *second,
                               const void *second_bytes, size_t second_count) {
  const uint8_t *a = first_bytes, *b = second_bytes;
  size_t a_taken = fill_block(first, a, first_count);
  size_t b_taken = fill_block(second, b, second_count);
  size_t a_blocks = (first_count - a_taken) / 64, b_blocks = (second_count - b_taken) / 64;
  size_t paired = a_blocks < b_blocks ? a_blocks : b_blocks;
  if (paired > 0) {
    add_block_pairs(first->state, a + a_taken, second->state, b + b_taken, paired);
    first->count += 64 * paired;
    second->count += 64 * paired;
    a_taken += 64 * paired;
    b_taken += 64 * paired;
  }
  if (a_taken < first_count) add_rest(first, a + a_taken, first_count - a_taken);
  if (b_taken < second_count) add_rest(second, b + b_taken, second_count - b_taken);
}

void drover_sha256_finish(struct drover_sha256 *hash, uint8_t *digest) {
  uint64_t bit_count = hash->count * 8;
  size_t filled = hash->count % 64;
  hash->block[filled++] = 0x80;
  if (filled > 56) {
    memset(hash->block + filled, 0, 64 - filled);
    add_blocks(hash->state, hash->block, 1);
    filled = 0;
  }
  memset(hash->block + filled, 0, 56 - filled);
  for (int i = 0; i < 8; i++) hash->block[56 + i] = (uint8_t)(bit_count >> (56 - 8 * i));
  add_blocks(hash->state, hash->block, 1);
  for (int i = 0; i < 8; i++) {
    for (int j = 0; j < 4; j++) digest[4 * i + j] = (uint8_t)(hash->state[i] >> (24 - 8 * j));
  }
  drover_sha256_init(hash);
}
