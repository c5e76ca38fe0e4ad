// Package client is the door to a hub for programs: from one connection it
// hands out clients for any workspace, or for all of them at once.
//
//	hub, err := client.New(config)                        // config.Host: https://hub:6443
//	ws, err := client.Workspaces(hub, "root:org").Get(ctx, "team", metav1.GetOptions{})
//	pods, err := hub.Kubernetes("root:org:team").CoreV1().Pods("default").List(ctx, …)
//	watch, err := client.SyncTargets(hub, client.Everywhere).Watch(ctx, …)
//
// A client for a workspace is a few small structs around the connection that
// all of them share, so one per workspace, made when it is needed, is the way
// to use this package; nothing has to be cached or closed.
//
// A path that is not one makes a client whose every call fails with
// ErrInvalidPath: no request leaves, whatever a stranger put into the path.
package client
