// Package cliatrium is the plugin "kubectl atrium": it offers APIs to other
// workspaces, binds those of others and answers what their providers claim; it
// registers child clusters with a hub, takes them out of service and back, and
// makes a workspace able to run workloads on them.
//
// What was typed, which objects that means, and what the agent's kubeconfig looks
// like are pure functions; the rest asks the hub, writes and prints. Messages for
// people go to the error stream, results that scripts read to the output.
package cliatrium
