// Package nodes gives a child cluster nodes without machines: Node objects, and kwok in the place of
// every kubelet. Pods that are scheduled there become Running and Ready at once, Jobs complete, deleted
// pods go, and none of them runs anything.
//
// kwok is the unmodified upstream program, run inside the calling process against the child's API server.
package nodes
