// Package discovery tells clients what a workspace serves: API groups and
// resources (in the old form and the aggregated one) and schemas (OpenAPI v2
// and v3).
//
// A workspace's answer is composed of the compiled-in APIs it can see and of
// the definitions in its catalog.Set. Nothing is made before it is asked for,
// equal workspaces share what was made, and what has not been asked for lately
// is forgotten; a changed definition gives a new Set and so a new answer to the
// next request.
package discovery
