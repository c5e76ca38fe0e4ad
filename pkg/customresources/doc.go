// Package customresources answers requests for custom resources, with one
// upstream handler per shape of definition however many workspaces have it.
//
// The handler is Kubernetes' own. It believes to be in a cluster with exactly
// one CustomResourceDefinition, established long ago: an informer of ours shows
// it that one, and never another. Which workspace a request is about is in the
// request's context, for the storage below; nothing here looks at it.
//
// Handlers are made when a shape is first asked for and torn down when the
// shape is retired, when nobody has asked for it in a while, or when all together
// would hold too much.
package customresources
