import Platform

/// What one run of one peer has cost.
struct Measurement {
  var wallSeconds = 0.0
  var cpuSecondsSource = 0.0
  var cpuSecondsDestination = 0.0
  var wireBytesToDestination: Int64 = 0
  var wireBytesToSource: Int64 = 0
  /// The largest process of each end.
  var peakKiBSource = 0
  var peakKiBDestination = 0
  /// Bytes that the seeded change rewrote, where that is known.
  var changedBytes = 0

  var cpuSeconds: Double { cpuSecondsSource + cpuSecondsDestination }
  var wireBytes: Double { Double(wireBytesToDestination + wireBytesToSource) }
  var peakMiB: Double { Double(max(peakKiBSource, peakKiBDestination)) / 1024 }

  var json: JSONObject {
    [
      "wall_seconds": .double(wallSeconds),
      "cpu_seconds_source": .double(cpuSecondsSource),
      "cpu_seconds_destination": .double(cpuSecondsDestination),
      "wire_bytes_to_destination": .integer(wireBytesToDestination),
      "wire_bytes_to_source": .integer(wireBytesToSource),
      "peak_kib_source": .integer(Int64(peakKiBSource)),
      "peak_kib_destination": .integer(Int64(peakKiBDestination)),
      "changed_bytes": .integer(Int64(changedBytes)),
    ]
  }
}

/// Runs `body` once and measures it. CPU counts from `prepare` on, wall time from `body` on.
func measure(
  in sandbox: Sandbox, prepare: () throws -> Void, _ body: () throws -> Void
) throws -> Measurement {
  // Earlier work must not be written out at this run's expense.
  try runCommand(["sync"])
  var result = Measurement()
  let cpuBefore = (try sandbox.cpuSeconds(.source), try sandbox.cpuSeconds(.destination))
  let watch = MemoryWatch(sandbox)
  let wireBefore: (toDestination: Int64, toSource: Int64)
  let outcome: Result<Double, any Error>
  do {
    try prepare()
    wireBefore = try sandbox.wireBytes()
    outcome = Result {
      let start = MonotonicTime.now()
      try body()
      return MonotonicTime.now().seconds(since: start)
    }
  } catch {
    _ = try watch.stop()
    throw error
  }
  let peaks = try watch.stop()
  result.wallSeconds = try outcome.get()
  // The last packets of the closing connection, and a server that ends after its client.
  SystemClock().sleep(seconds: 0.3)
  let wireAfter = try sandbox.wireBytes()
  result.cpuSecondsSource = try sandbox.cpuSeconds(.source) - cpuBefore.0
  result.cpuSecondsDestination = try sandbox.cpuSeconds(.destination) - cpuBefore.1
  result.wireBytesToDestination = wireAfter.toDestination - wireBefore.toDestination
  result.wireBytesToSource = wireAfter.toSource - wireBefore.toSource
  result.peakKiBSource = peaks[.source] ?? 0
  result.peakKiBDestination = peaks[.destination] ?? 0
  return result
}

/// The middle value; the mean of the two middle ones of an even count; 0 of none.
func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard let last = sorted.last else { return 0 }
  let middle = sorted.count / 2
  if sorted.count == 1 { return last }
  return sorted.count.isMultiple(of: 2)
    ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}
