// Package cli is what the kubectl plugins share: the flags that choose a hub
// and a user, the session made of them and the kubeconfig, the resolution of
// what people type for a workspace, and errors that name the way out.
//
// It talks to a hub only through sdk/client and knows nothing of servers.
//
// A plugin binds Options to its flags, calls Load, and works with the Session:
//
//	options := cli.Options{}
//	options.BindFlags(cmd.Flags())
//	options.BindWorkspaceFlag(cmd.Flags())
//	…
//	session, err := options.Load(streams)
//	path, err := session.Workspace(ctx)   // current one, or that of --workspace
//	hub, err := session.Hub()
package cli
