import Platform
import Transport

private let pieceBytes = 256 << 10
private let totalBytes = 1 << 30

/// 1 GiB through one TLS connection over the loopback interface: both ends on this machine, one
/// thread each.
func measureTunnel(rounds: Int) throws -> Figure {
  let keyLine = try PreSharedKey.generateKeyLine(identity: "benchmark")
  let keys = try Array(keyLine.utf8).withUnsafeBytes { text in
    try KeyRing(parsing: text, source: "generated")
  }
  let server = try TLSContext.server(keys)
  let client = try TLSContext.client(keys.clientKey())
  let wakeup = try Wakeup()
  let listener = try Listener(on: Endpoint(host: "127.0.0.1", port: 0), wakeup: wakeup)
  let endpoint = Endpoint(host: "127.0.0.1", port: listener.boundPort)
  var negotiated = ""
  let seconds = try medianSeconds(rounds: rounds) {
    let receiver = Thread("tunnel receiver") { try receiveAll(listener, server) }
    let sent = Result { () throws -> String in
      let connection = try Connection.connect(to: endpoint, wakeup: try Wakeup())
      let stream = try TLSStream(connection, context: client)
      try sendAll(stream)
      return stream.negotiated
    }
    // A sender that could not connect must not leave the receiver waiting.
    if case .failure = sent { listener.abort() }
    let received = Result { try receiver.join() }
    negotiated = try sent.get()
    guard try received.get() == totalBytes else { throw BenchmarkError("TLS lost bytes") }
  }
  return Figure(
    name: "TLS over loopback", perSecond: Double(totalBytes) / seconds / 1e6, unit: "MB",
    note: "two threads, \(negotiated)")
}

private func sendAll(_ stream: TLSStream) throws {
  var generator = SeededGenerator(seed: 3)
  let piece = generator.bytes(pieceBytes)
  for _ in 0..<totalBytes / pieceBytes {
    try piece.withUnsafeBytes { try stream.write($0) }
  }
  try stream.finish()
  stream.close()
}

private func receiveAll(_ listener: Listener, _ context: TLSContext) throws -> Int {
  let connection = try listener.accept(wakeup: try Wakeup())
  let stream = try TLSStream(connection, context: context)
  var buffer = [UInt8](repeating: 0, count: pieceBytes)
  var total = 0
  while true {
    let count = try buffer.withUnsafeMutableBytes { try stream.read(into: $0) }
    if count == 0 { break }
    total += count
  }
  try stream.finish()
  stream.close()
  return total
}
