package bindings

import "strings"

// nativePrefix starts the names of schemas that are compiled in.
const nativePrefix = "native-"

// versionOf returns the version that a native schema stands for: "v1" for
// "native-v1.deployments.apps".
func versionOf(schemaName string) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(schemaName, nativePrefix), ".")
	return version
}
