/// One question about speed: what is replicated, from which state, with which options.
struct Scenario {
  enum Start {
    /// The destination is empty.
    case empty
    /// The destination has everything.
    case current
    /// The destination has what the source was before a seeded change.
    case changed
  }

  var name: String
  var dataset: Dataset
  var start: Start
  var rsyncCompresses = true
  var inPlace = false
  var droverOptions: [String] = []
  var megabitsPerSecond: Int?

  static let all: [Scenario] = [
    Scenario(name: "init", dataset: .tree, start: .empty),
    Scenario(name: "init-noz", dataset: .tree, start: .empty, rsyncCompresses: false),
    Scenario(name: "noop", dataset: .tree, start: .current),
    Scenario(name: "change", dataset: .tree, start: .changed),
    Scenario(name: "image", dataset: .image, start: .changed),
    Scenario(name: "image-inplace", dataset: .image, start: .changed, inPlace: true),
    Scenario(
      name: "shaped", dataset: .tree, start: .empty, droverOptions: ["--compress"],
      megabitsPerSecond: 200),
  ]
}
