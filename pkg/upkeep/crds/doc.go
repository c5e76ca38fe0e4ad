// Package crds looks after CustomResourceDefinitions in every workspace: it
// accepts their names, establishes them, says what is wrong with them, and
// deletes their objects before they go.
//
// It is what five controllers do in a Kubernetes API server, as one loop. The
// rules are those of package schemas; serving is none of its business.
package crds
