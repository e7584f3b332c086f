import CCurl

extension HTTPError {
  /// What a code of libcurl means.
  static func from(_ code: CURLcode, _ transfer: CurlTransfer, reason: String) -> HTTPError {
    let server = transfer.server
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST:
      // Libcurl does not tell whether the name servers have failed.
      return HostLookup.isUnknown(server)
        ? .noSuchHost(server: server) : .unresolved(server: server, reason: reason)
    case CURLE_COULDNT_RESOLVE_PROXY, CURLE_PROXY: return .proxyFailed(reason: reason)
    case CURLE_COULDNT_CONNECT: return .unreachable(server: server, reason: reason)
    case CURLE_OPERATION_TIMEDOUT: return .timedOut(server: server, reason: reason)
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR:
      return .tlsRefused(server: server, reason: reason)
    case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_SHUTDOWN_FAILED:
      return .tlsFailed(server: server, reason: reason)
    case CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE, CURLE_SSL_CERTPROBLEM:
      return .certificatesUnusable(reason: reason)
    case CURLE_PARTIAL_FILE:
      return .cutShort(server: server, receivedByteCount: transfer.receivedByteCount)
    case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_SEND_FAIL_REWIND,
      CURLE_AGAIN:
      // A body in chunks that ends early is reported as a failed receive.
      return transfer.isHeadWhole && transfer.receivedByteCount > 0
        ? .cutShort(server: server, receivedByteCount: transfer.receivedByteCount)
        : .connectionLost(server: server, reason: reason)
    case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL:
      return .notHTTP(server: server, reason: reason)
    case CURLE_URL_MALFORMAT: return .invalidRequest(server: server, problem: reason)
    default: return .library(call: "curl_easy_perform", reason: reason)
    }
  }
}
