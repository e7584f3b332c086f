// A daemon with a clock that runs fast and goes on when the process is killed: it is counted from a
// point of the monotonic clock. Each start of a mover is a line of a journal.
//
//   daemon-under-test STATE ORIGIN-SECONDS START-NANOSECONDS SPEED DROVER JOURNAL
import Control
import Glibc
import Manifests
import Movers
import Platform
import StateStore
import Supervision

struct FastClock: Clock {
  let originSeconds: Int64
  let startNanoseconds: Int64
  let speed: Int64

  func wallTime() -> WallTime {
    let passed = (MonotonicTime.now().nanoseconds - startNanoseconds) * speed
    return WallTime(
      seconds: originSeconds + passed / 1_000_000_000,
      nanoseconds: Int32(passed % 1_000_000_000))
  }

  func monotonicTime() -> MonotonicTime { .now() }
  func sleep(seconds: Double) { SystemClock().sleep(seconds: seconds) }
}

/// The line of a start: the name of the lock, and what the stored status says of the run.
func journalLine(_ job: JSONValue) -> String {
  let lock = job.objectValue?["lock"]?.stringValue ?? ""
  let parts = (lock.split(separator: "/").last ?? "").split(separator: ".").map(String.init)
  guard parts.count == 4 else { return "? \(lock)\n" }
  let root = lock.prefix(lock.count - "/_run/\(parts.joined(separator: "."))".count)
  let path = "\(root)/\(parts[1])/\(parts[0].lowercased())/\(parts[2]).status.yaml"
  // A status that is not there shows as a start without time, which the test refuses.
  let text = (try? SmallFile.read(path, sizeBytesMax: 1 << 20)) ?? []
  let key = "lastSyncStartTime: "
  let line = String(decoding: text, as: UTF8.self).split(separator: "\n")
    .first { $0.contains(key) }
  let time = line.map { $0.drop { $0 != "\"" }.dropFirst().dropLast() } ?? "-"
  return "\(parts[2]) \(time)\n"
}

let arguments = CommandLine.arguments
guard arguments.count == 7, let origin = Int64(arguments[2]), let start = Int64(arguments[3]),
  let speed = Int64(arguments[4])
else {
  print("usage: daemon-under-test STATE ORIGIN START SPEED DROVER JOURNAL")
  exit(2)
}
let (drover, journal) = (arguments[5], arguments[6])
let clock = FastClock(originSeconds: origin, startNanoseconds: start, speed: speed)
guard let gate = try? ListeningGate(refused: { print("refused: \($0)") }) else {
  print("trouble: no gate")
  exit(1)
}
let movers = MoverRegistry<MoverRequest>.standard(gate: gate) { job in
  let raw = open(journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
  let descriptor = Descriptor(owning: raw)
  // A journal that cannot be written shows as runs that are missing.
  try? SmallFile.write(Array(journalLine(job).utf8), to: descriptor.raw, subject: journal)
  return ChildSpec(executable: drover, arguments: ["drover", "mover"], job: job)
}
var options = ControlDaemon.Options()
options.lookSecondsMax = 0.005
options.retry = RetryPolicy(attemptCountMax: 3, firstDelaySeconds: 0.02)
do {
  let daemon = try ControlDaemon(
    path: arguments[1], movers: movers, options: options, gate: gate, clock: clock
  ) { notice in
    switch notice {
    case .problem(let problem): print("problem: \(problem)")
    case .trouble(let text): print("trouble: \(text)")
    case .run(let key, .failed(let failure)): print("failed: \(key): \(failure.message)")
    case .run, .serving: break
    }
    fflush(nil)
  }
  TerminationSignals.handle { daemon.stop() }
  try daemon.run()
} catch {
  print("trouble: \(error)")
  exit(1)
}
