/// The candidate most like `word`, when one is near enough to be a slip of the pen.
package func nearest(to word: String, in candidates: some Sequence<String>) -> String? {
  let lower = word.lowercased()
  // One slip in three letters; a long name may hold three.
  let distanceMax = min(3, max(1, word.utf8.count / 3))
  var best: (candidate: String, distance: Int)?
  for candidate in candidates where candidate != word {
    let distance = editDistance(lower, candidate.lowercased(), max: distanceMax)
    guard distance <= distanceMax else { continue }
    if distance < best?.distance ?? Int.max { best = (candidate, distance) }
  }
  return best?.candidate
}

/// Insertions, deletions, replacements and swaps of neighbours between two texts; `max + 1` when
/// more than `max`.
func editDistance(_ a: String, _ b: String, max limit: Int) -> Int {
  let a = Array(a.utf8)
  let b = Array(b.utf8)
  // Names of fields are short; anything longer is not a slip, and this is quadratic.
  guard abs(a.count - b.count) <= limit, a.count <= 128, b.count <= 128 else { return limit + 1 }
  var previous: [Int] = []
  var row = Array(0...b.count)
  for i in a.indices {
    var next = [i + 1]
    for j in b.indices {
      var cost = min(row[j] + (a[i] == b[j] ? 0 : 1), row[j + 1] + 1, next[j] + 1)
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, previous[j - 1] + 1) }
      next.append(cost)
    }
    previous = row
    row = next
  }
  return min(row[b.count], limit + 1)
}
