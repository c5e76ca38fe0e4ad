// Package admission judges and completes writes before they are stored:
//
//	Namespaces  a namespaced object needs a living namespace in its workspace
//	Providers   what providers write by a claim gets the labels it is for
//	Reserved    labels and annotations that decide about others are the hub's
//	Tenancy     Workspaces are prepared, LogicalClusters are the hub's
//	Types       who writes a WorkspaceType may do himself what it does to others
//	Bindings    to bind an export one needs the verb "bind" on it
//	Exports     schemas are judged like definitions before they are offered
//	Status      what the hub reports and then relies on, it alone writes
//	Depth       objects cannot be nested so deeply that they cost seconds
//	Tokens      tokens are for their workspace, and lie in Secrets as they are made
//	Authentication  configurations of issuers are compiled before they are stored
//	Claims      objects have just the labels that permission claims make
//	Definitions conversion webhooks are ones that the hub can and may call
//	Convertible objects can be had in every version of their resource
//
// InStoredVersion has all of them judge objects in the version that is stored.
// Chain joins them, and what other rooms bring along, in one order for native
// and custom resources. Webhooks and policies of workspaces are in
// pkg/admission/policies; quota is not here yet, and its API is not served.
package admission
