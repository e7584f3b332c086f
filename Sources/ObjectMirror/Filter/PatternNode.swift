/// A regular expression taken apart.
indirect enum PatternNode: Sendable {
  case empty
  case set(RuneSet)
  case sequence([PatternNode])
  case choice([PatternNode])
  /// `maximum` is nil for any count.
  case times(PatternNode, minimum: Int, maximum: Int?)
}
