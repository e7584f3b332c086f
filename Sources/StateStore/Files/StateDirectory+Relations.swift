package import Manifests
import Platform

extension StateDirectory {
  /// The file with the generation of a replication.
  package func relationFile(of key: ObjectKey) throws(StateError) -> RelationFile {
    let files = try ObjectFiles(key, registry)
    return RelationFile("\(path)/\(files.directory)/\(files.relation)")
  }

  /// Changes what is known of the generations of a replication, which is told to those who serve
  /// it.
  @discardableResult
  package func updateRelation(
    of key: ObjectKey, _ change: (inout RelationRecord) -> Void
  ) throws(StateError) -> RelationRecord {
    let file = try relationFile(of: key)
    do {
      let record = try file.update(change)
      changes.note(key)
      orders.note(key)
      return record
    } catch {
      throw error as? StateError ?? .refused("\(error)", hint: nil)
    }
  }
}
