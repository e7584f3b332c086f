import Manifests
import Testing

@Suite struct KindRegistryTests {
  private let registry = KindRegistry.standard

  @Test func twoGroupsMayHaveAKindOfOneName() throws {
    let text = """
      apiVersion: velero.io/v1
      kind: Restore
      metadata: {name: r, namespace: n}
      spec: {backupName: b}
      ---
      apiVersion: cluster.open-cluster-management.io/v1beta1
      kind: Restore
      metadata: {name: r, namespace: n}
      spec:
        cleanupBeforeRestore: None
        veleroManagedClustersBackupName: skip
        veleroCredentialsBackupName: latest
        veleroResourcesBackupName: a-backup

      """
    let set = try ManifestLoader().decode([("a.yaml", Array(text.utf8))])
    #expect(set.objects.count == 2)
    #expect(set.find(VeleroRestore.self, "r", in: "n")?.backupName == "b")
    let hub = try #require(set.find(HubRestore.self, "r", in: "n"))
    #expect(hub.cleanup == HubRestore.Cleanup.none)
    #expect(hub.managedClusters == .skip)
    #expect(hub.resources == .named("a-backup"))
    #expect(Set(set.objects.map(\.key)).count == 2)
    for object in set.objects { #expect(registry[object.key.kind] != nil) }
  }

  @Test(arguments: [
    ("rs", ["ReplicationSource"]), ("replicationsources", ["ReplicationSource"]),
    ("ReplicationSource", ["ReplicationSource"]), ("RD", ["ReplicationDestination"]),
    ("replicationdestination.volsync.backube", ["ReplicationDestination"]),
    ("pv", ["PersistentVolume"]), ("pvc", ["PersistentVolumeClaim"]), ("sc", ["StorageClass"]),
    ("storageclasses", ["StorageClass"]), ("ns", ["Namespace"]), ("cm", ["ConfigMap"]),
    ("secrets", ["Secret"]), ("vsclass", ["VolumeSnapshotClass"]),
    ("dpa", ["DataProtectionApplication"]),
    ("restore", ["Restore", "Restore"]), ("restores.velero.io", ["Restore"]),
    ("restores.cluster.open-cluster-management.io", ["Restore"]), ("crst", ["Restore"]),
    ("pods", []), ("", []), ("secret.", []),
  ])
  func readsKindsAsKubectlDoes(word: String, kinds: [String]) {
    #expect(registry.types(meantBy: word).map { $0.kind } == kinds)
  }

  @Test func everyWordMeansOneKindButForTheTwoRestores() {
    for type in registry.all {
      for word in type.aliases where word != "restores" {
        #expect(registry.types(meantBy: word).count == 1, "\(word)")
      }
      let qualified = type.group.isEmpty ? type.plural : "\(type.plural).\(type.group)"
      #expect(registry.types(meantBy: qualified).count == 1, "\(qualified)")
    }
  }

  @Test func kindsOfTheExamplesThatDoNothingSaySo() {
    let served = registry.all.filter { $0.service == .served }.map { $0.kind }
    #expect(
      served == [
        "ConfigMap", "Namespace", "PersistentVolume", "PersistentVolumeClaim",
        "ReplicationDestination", "ReplicationSource", "Secret", "StorageClass",
        "VolumeSnapshot", "VolumeSnapshotClass",
      ])
  }
}
