import HTTPClient
import Platform
import TestSupport
import Testing

/// A client that goes straight to loopback, whatever the environment says.
func directClient(_ change: (inout HTTPOptions) -> Void = { _ in }) -> HTTPClient {
  var options = HTTPOptions()
  options.proxy = .none
  options.timeouts = HTTPTimeouts(connectSeconds: 10, idleSeconds: 20)
  change(&options)
  return HTTPClient(options)
}

/// The error that a request ends with; nil when it ends with an answer.
func failure(_ body: () throws -> Void) -> HTTPError? {
  do {
    try body()
    return nil
  } catch {
    if let error = error as? HTTPError { return error }
    Issue.record("\(error)")
    return nil
  }
}

func expectError(
  _ kind: FailureKind, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  guard let error = failure(body) else {
    Issue.record("no failure where \(kind) was due", sourceLocation: sourceLocation)
    return
  }
  #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
}
