// Package namespaces finishes deleted namespaces, in every workspace: it
// deletes all that is in them, custom resources included, honouring finalizers,
// and lets the namespace go when nothing is left.
//
// The work itself is done by Kubernetes' own namespace deleter, made anew for
// each pass: it wants clients and a list of resources, and both differ from
// workspace to workspace.
package namespaces
