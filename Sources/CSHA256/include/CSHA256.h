// SHA-256 (FIPS 180-4) by the processor's own instructions, one message or two side by side.
//
// Within a message each round waits for the last one; the rounds of two messages do not wait for
// each other, so that two take little longer than one.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct drover_sha256 {
  uint32_t state[8];
  // Bytes so far; those beyond the last whole block are in `block`.
  uint64_t count;
  uint8_t block[64];
};

// Not 0 when this processor has the instructions; without them nothing else may be called.
int drover_sha256_is_available(void);

void drover_sha256_init(struct drover_sha256 *hash);
void drover_sha256_update(struct drover_sha256 *hash, const void *bytes, size_t count);
// The same as two calls of drover_sha256_update, one for each of two different hashes.
void drover_sha256_update_pair(struct drover_sha256 *first, const void *first_bytes,
                               size_t first_count, struct drover_sha256 *second,
                               const void *second_bytes, size_t second_count);
// Writes 32 bytes; the hash starts anew.
void drover_sha256_finish(struct drover_sha256 *hash, uint8_t *digest);
