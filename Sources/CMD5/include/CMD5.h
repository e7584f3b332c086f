// MD5 (RFC 1321), up to eight messages side by side in the lanes of vectors.
//
// Within a message each step waits for the last one; eight messages in eight lanes take little
// longer than one.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { DROVER_MD5_LANE_COUNT = 8 };

struct drover_md5 {
  uint32_t state[4];
  // Bytes so far; those beyond the last whole block are in `block`.
  uint64_t count;
  uint8_t block[64];
};

// One message's next bytes.
struct drover_md5_piece {
  struct drover_md5 *hash;
  const void *bytes;
  size_t count;
};

void drover_md5_init(struct drover_md5 *hash);
void drover_md5_update(struct drover_md5 *hash, const void *bytes, size_t count);
// The same as a call of drover_md5_update for each piece; at most DROVER_MD5_LANE_COUNT of them, of
// different hashes.
void drover_md5_update_lanes(const struct drover_md5_piece *pieces, size_t piece_count);
// Writes 16 bytes; the hash starts anew.
void drover_md5_finish(struct drover_md5 *hash, uint8_t *digest);
