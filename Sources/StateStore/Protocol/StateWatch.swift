import Manifests
import Platform

/// Turns what stands in a directory, looked at again and again, into notices.
struct WatchState {
  private let kind: String?
  private let namespace: String?
  private var known: [ObjectKey: JSONObject] = [:]
  /// Whether anything has been compared: before that, all that is there is news.
  private(set) var hasLooked = false

  init(kind: String?, namespace: String?) {
    self.kind = kind
    self.namespace = namespace
  }

  /// What has changed since the last look.
  mutating func look(_ service: StateService) throws(StateError) -> [ObjectNotice] {
    changes(to: try service.list(kind, namespace).objects)
  }

  /// What has changed when just these objects are there now.
  mutating func changes(to objects: [StoredObject]) -> [ObjectNotice] {
    hasLooked = true
    var notices: [ObjectNotice] = []
    var present: Set<ObjectKey> = []
    for object in objects {
      present.insert(object.key)
      let before = known.updateValue(object.document, forKey: object.key)
      if before == nil {
        notices.append(ObjectNotice(.added, object))
      } else if before != object.document {
        notices.append(ObjectNotice(.modified, object))
      }
    }
    for (key, document) in known where !present.contains(key) {
      known[key] = nil
      notices.append(ObjectNotice(.deleted, StoredObject(key: key, document: document)))
    }
    return notices
  }
}
