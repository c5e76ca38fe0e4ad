//go:build staging

// Package staging is never built. It imports the Kubernetes staging modules
// that nothing else imports, so that "go mod tidy" keeps their versions in
// go.mod. k8s.io/kubernetes names them at v0.0.0, which no proxy serves; without
// a version here every tool that reads the whole module graph fails.
package staging

import (
	_ "k8s.io/cri-api/pkg/apis"
	_ "k8s.io/cri-streaming/pkg/streaming"
	_ "k8s.io/sample-apiserver/pkg/apis/wardle"
)
