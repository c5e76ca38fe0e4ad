// Package cliws is the plugin "kubectl ws": it moves between workspaces by
// rewriting the kubeconfig, creates workspaces, and shows the tree.
//
// Moving works like cd. The workspace somebody is in is the one that the
// current context's server points to; two contexts (and clusters) of the
// kubeconfig belong to the plugin: "workspace.kcp.io/current" and
// "workspace.kcp.io/previous". Everything else in the file is left alone.
//
// What was typed, what becomes of the kubeconfig, and what two answers of the
// hub mean together are pure functions; the rest asks, writes and prints.
package cliws
