/// A program that replicates between the two ends of the sandbox.
protocol Peer: AnyObject {
  var name: String { get }

  /// Where the copy of `dataset` stands.
  func destinationPath(_ dataset: Dataset) -> String

  /// Starts what listens before a run and is not part of its wall time.
  func listen(for scenario: Scenario) throws

  /// One run, up to and with the moment at which the destination has reached the disk.
  func replicate(_ scenario: Scenario) throws

  /// Makes the destination current, without measuring.
  func catchUp(_ scenario: Scenario) throws

  func stop()
}
