import Glibc
import Platform

/// How a program ended and what it said.
package struct ProcessResult: Sendable {
  /// The exit status, or 128 + the number of the signal that ended the process.
  package var status: Int32
  package var output: [UInt8]
  package var errorOutput: [UInt8]

  package var outputText: String { String(decoding: output, as: UTF8.self) }
  package var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
}

/// Runs a program to its end.
///
/// - Throws: when it cannot be started, and when it still runs after `timeoutSeconds` (it is
/// killed).
@discardableResult
package func runProcess(
  _ path: String, _ arguments: [String], environment: [String: String] = [:],
  stdin: [UInt8] = [], timeoutSeconds: Double = 300
) throws -> ProcessResult {
  let child = try ChildProcess(path, arguments, environment: environment)
  // The input may be larger than the pipe, and the child may write before it has read all of it.
  let writer = Thread("write-child") {
    child.writeInput(stdin)
    child.closeInput()
  }
  let status = child.wait(timeoutSeconds: timeoutSeconds)
  if status == nil { child.kill(SIGKILL) }
  try writer.join()
  let result = ProcessResult(
    status: status ?? -1, output: child.output.bytesToEnd(timeoutSeconds: 10),
    errorOutput: child.errorOutput.bytesToEnd(timeoutSeconds: 10))
  guard status != nil else {
    throw TestFailure(
      "\(path) \(arguments.joined(separator: " ")) still ran after \(timeoutSeconds) s: "
        + result.errorText)
  }
  return result
}

/// Runs a program that has to succeed.
///
/// - Throws: also when the exit status is not 0, with what the program said.
@discardableResult
package func runChecked(
  _ path: String, _ arguments: [String], environment: [String: String] = [:],
  stdin: [UInt8] = []
) throws -> ProcessResult {
  let result = try runProcess(path, arguments, environment: environment, stdin: stdin)
  guard result.status == 0 else {
    throw TestFailure(
      "\(path) \(arguments.joined(separator: " ")) ended with \(result.status): \(result.errorText)"
    )
  }
  return result
}
