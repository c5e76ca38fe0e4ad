// Package conversions converts custom resources between their versions where
// Kubernetes would call a webhook. Its webhook machinery, with all its checks of
// what comes back, is left as it is; this package is what is below it, in the
// place of a network:
//
//	conversions := conversions.New(conversions.Config{Door: door, Reserved: reserved})
//	conversions.Register("widgets.example.io", convert)    // for good
//	services, clients := conversions.For(api)               // for an upstream handler
//
// A webhook of a tenant is called through the door of pkg/egress. One whose host
// lies below schemas.InProcessDomain is a schemas.Converter: that of the API,
// which so lives exactly as long, or one that was registered.
//
// Invariants:
//
//	V1: no connection is made but by the door, no proxy makes any, no redirect is
//	    followed, and no credential of the hub is shown.
//	V2: a call ends within Timeout and is not repeated, whatever the webhook answers.
//	V3: of an answer no more is read than an object can be, and nothing of it
//	    that is nested deeper than an object may be.
//	V4: what a webhook converts keeps the labels and annotations that are the
//	    hub's: the workspace it is in, and who decides about it.
//	V5: a definition of a tenant does not reach the functions of the hub.
package conversions
