// Package harness runs the real things: a hub, child clusters, syncers and
// kubectl, each as the process a user would start. The demo, the end-to-end
// tests and the benchmarks are written in its words.
//
// Everything a World started ends with it, and when the test process itself is
// killed. Nothing listens outside the loopback addresses.
package harness
