import Glibc
import Platform
import Volumes

/// Remembers, in the state directory, where copies have been made: what a killed process has left
/// there is found though its object be changed or gone.
struct PlaceRegister {
  private static let prefix = "place-"
  private static let pathSizeBytesMax = 4096
  private static let entryCountMax = 1_000_000

  let directory: String

  /// Remembers a place, on the disk when this returns.
  func note(_ place: CopyPlace) throws(PlatformError) {
    let name = PlaceRegister.prefix + PlaceRegister.hash(place.path)
    if access("\(directory)/\(name)", F_OK) == 0 { return }
    try DurableFile.replace(name, in: directory, with: Array(place.path.utf8), mode: 0o600)
  }

  /// Removes leftovers of all places that have been noted. What cannot be removed is found again by
  /// the ends that use the place, and told by them.
  func removeLeftovers() {
    let names = (try? DurableFile.names(in: directory, countMax: PlaceRegister.entryCountMax)) ?? []
    for name in names where name.hasPrefix(PlaceRegister.prefix) {
      let file = "\(directory)/\(name)"
      // One that cannot be read now is read by the next process.
      guard
        let bytes = try? SmallFile.read(file, sizeBytesMax: PlaceRegister.pathSizeBytesMax)
      else { continue }
      let place = CopyPlace(path: String(decoding: bytes, as: UTF8.self))
      let result = CopyMaker.removeLeftovers(in: place) { _ in nil }
      if result.failures.isEmpty { unlink(file) }
    }
  }

  private static func hash(_ text: String) -> String {
    let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return String(hash, radix: 16)
  }
}
