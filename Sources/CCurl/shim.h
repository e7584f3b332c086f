// Headers of the system library; Swift sees them through the module map beside this file. The
// functions stand for libcurl's variadic calls, one for each kind of argument.
#pragma once
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

static inline CURLcode drover_curl_set_long(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode drover_curl_set_size(CURL *handle, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode drover_curl_set_text(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode drover_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode drover_curl_set_certificates(CURL *handle, void *bytes, size_t count) {
  struct curl_blob blob = {bytes, count, CURL_BLOB_NOCOPY};
  return curl_easy_setopt(handle, CURLOPT_CAINFO_BLOB, &blob);
}
// The callbacks of one transfer; each gets `context`.
static inline CURLcode drover_curl_set_callbacks(CURL *handle, curl_read_callback read,
                                                 curl_seek_callback seek,
                                                 curl_write_callback header,
                                                 curl_write_callback write,
                                                 curl_xferinfo_callback progress, void *context) {
  const CURLoption places[] = {CURLOPT_READDATA, CURLOPT_SEEKDATA, CURLOPT_HEADERDATA,
                               CURLOPT_WRITEDATA, CURLOPT_XFERINFODATA};
  for (int i = 0; i < 5; i++) {
    CURLcode code = curl_easy_setopt(handle, places[i], context);
    if (code != CURLE_OK) return code;
  }
  CURLcode code = curl_easy_setopt(handle, CURLOPT_READFUNCTION, read);
  if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, seek);
  if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, header);
  if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, write);
  if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, progress);
  return code;
}
static inline long drover_curl_get_long(CURL *handle, CURLINFO info) {
  long value = 0;
  return curl_easy_getinfo(handle, info, &value) == CURLE_OK ? value : 0;
}
static inline size_t drover_curl_read_abort(void) { return CURL_READFUNC_ABORT; }
static inline long drover_curl_global_flags(void) { return CURL_GLOBAL_DEFAULT; }
