/// What ``FaultProxy`` does to a request.
package enum HTTPFault: Sendable, Equatable {
  case none
  /// Ends the connections to both sides with a reset.
  case reset(Point)
  /// Ends the connections to both sides cleanly: a body is cut short.
  case end(Point)
  /// Passes nothing on from there until ``FaultProxy/releaseStalled()`` or the client leaves.
  case stall(Point)
  /// Waits before the request is passed on.
  case delay(seconds: Double)
  /// Passes bodies on at this rate, each direction for itself.
  case throttle(bytesPerSecond: Int)
  /// Answers instead of the server, which sees nothing of the request.
  case answer(CannedAnswer)

  /// Where in a request. Counted are bytes of the body as they stand on the wire, chunk lines
  /// included; a body that is shorter is spoiled just before its end, and an empty one before it.
  /// (An answer without a length that is shorter is not spoiled.)
  package enum Point: Sendable, Equatable {
    /// The client has sent the head, the server has seen nothing.
    case beforeRequest
    case inRequest(afterBytes: Int)
    /// The server has done what was asked, the client sees nothing of it.
    case beforeResponse
    case inResponse(afterBytes: Int)
  }

  /// 503 as a store says it that wants fewer requests.
  package static func slowDown(retryAfterSeconds: Int? = nil) -> HTTPFault {
    .answer(
      CannedAnswer(
        status: 503, code: "SlowDown",
        headers: retryAfterSeconds.map { [WireHeader("Retry-After", "\($0)")] } ?? []))
  }

  package static func tooManyRequests(retryAfterSeconds: Int? = nil) -> HTTPFault {
    .answer(
      CannedAnswer(
        status: 429, code: "TooManyRequests",
        headers: retryAfterSeconds.map { [WireHeader("Retry-After", "\($0)")] } ?? []))
  }

  package static var internalError: HTTPFault {
    .answer(CannedAnswer(status: 500, code: "InternalError"))
  }
}

/// An answer that is ready before the request is known.
package struct CannedAnswer: Sendable, Equatable {
  package var status: Int
  package var headers: [WireHeader]
  package var body: [UInt8]

  package init(status: Int, headers: [WireHeader] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// An S3 error document. With status 200 it is what a store sends that failed after it had begun
  /// to answer.
  package init(status: Int, code: String, headers: [WireHeader] = []) {
    let text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>\(code)</Code>"
      + "<Message>an injected fault</Message><RequestId>0</RequestId></Error>"
    self.init(
      status: status, headers: [WireHeader("Content-Type", "application/xml")] + headers,
      body: Array(text.utf8))
  }
}

/// Which fault each request meets.
package struct HTTPFaultPlan: Sendable {
  /// A request as a plan sees it.
  package struct Request: Sendable {
    package let method: String
    /// The path with the query.
    package let target: String
    package let kind: S3RequestKind
    /// Of all requests, from 0.
    package let number: Int
    /// Of the requests of this kind, from 0.
    package let numberOfKind: Int
    /// Of the requests for the same thing, from 0: method and target without the upload's name,
    /// so that it counts the tries.
    package let attempt: Int
  }

  let fault: @Sendable (Request) -> HTTPFault

  /// Asks `fault` for each request, one at a time.
  package init(_ fault: @escaping @Sendable (Request) -> HTTPFault) { self.fault = fault }

  package static let none = HTTPFaultPlan { _ in .none }

  /// The same fault for every request of these kinds, or of any kind when `kinds` is nil.
  package static func always(_ fault: HTTPFault, on kinds: Set<S3RequestKind>? = nil)
    -> HTTPFaultPlan
  {
    HTTPFaultPlan { kinds?.contains($0.kind) ?? true ? fault : .none }
  }

  /// A fault for the request of this kind with that number, from 0.
  package static func once(_ fault: HTTPFault, on kind: S3RequestKind, number: Int = 0)
    -> HTTPFaultPlan
  {
    HTTPFaultPlan { $0.kind == kind && $0.numberOfKind == number ? fault : .none }
  }

  /// One of `faults` for a part `rate` (0–1) of the requests, but for the same thing at most
  /// `attemptsMax` times, so that who tries again gets through.
  ///
  /// What a request meets depends on the seed and on the request alone, not on the order in which
  /// threads send them.
  package static func seeded(
    _ seed: UInt64, rate: Double, faults: [HTTPFault], attemptsMax: Int = 2,
    on kinds: Set<S3RequestKind>? = nil
  ) -> HTTPFaultPlan {
    precondition(!faults.isEmpty, "a plan needs faults")
    return HTTPFaultPlan { request in
      guard request.attempt < attemptsMax, kinds?.contains(request.kind) ?? true else {
        return .none
      }
      var hash = seed ^ 0xcbf2_9ce4_8422_2325
      for byte in "\(request.attempt) \(request.method) \(stable(request.target))".utf8 {
        hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
      }
      var generator = SeededGenerator(seed: hash)
      return generator.chance(rate) ? generator.pick(faults) : .none
    }
  }

  /// A target without the name of its upload, which no two runs share.
  static func stable(_ target: String) -> String {
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return target }
    let query = parts[1].split(separator: "&").filter { !$0.hasPrefix("uploadId=") }
    return "\(parts[0])?\(query.joined(separator: "&"))"
  }
}
