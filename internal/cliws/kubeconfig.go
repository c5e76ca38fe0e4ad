package cliws

import (
	"errors"
	"fmt"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Names of the contexts and clusters that the plugin owns.
const (
	currentKey  = "workspace.kcp.io/current"
	previousKey = "workspace.kcp.io/previous"
)

// enter returns config with the current context pointed to server, and the one
// that was current kept as the previous.
func enter(config *clientcmdapi.Config, server string) (*clientcmdapi.Config, error) {
	from, cluster, err := currentOf(config)
	if err != nil {
		return nil, err
	}
	next := config.DeepCopy()
	remember(next, from, cluster)

	moved := cluster.DeepCopy()
	moved.Server = server
	next.Clusters[currentKey] = moved
	context := from.DeepCopy()
	context.Cluster = currentKey
	next.Contexts[currentKey] = context
	next.CurrentContext = currentKey
	return next, nil
}

// swap returns config with the previous and the current context exchanged, and
// the server that is current then.
func swap(config *clientcmdapi.Config) (next *clientcmdapi.Config, server string, err error) {
	from, cluster, err := currentOf(config)
	if err != nil {
		return nil, "", err
	}
	back, ok := config.Contexts[previousKey]
	if !ok {
		return nil, "", errors.New("no previous workspace found in kubeconfig")
	}
	target, ok := config.Clusters[back.Cluster]
	if !ok {
		return nil, "", fmt.Errorf("cluster %q not found in kubeconfig", back.Cluster)
	}
	next = config.DeepCopy()
	remember(next, from, cluster)

	context := back.DeepCopy()
	if context.Cluster == previousKey {
		context.Cluster = currentKey
		next.Clusters[currentKey] = target.DeepCopy()
	}
	next.Contexts[currentKey] = context
	next.CurrentContext = currentKey
	return next, target.Server, nil
}

// remember makes a context the previous one. Its cluster is copied only if the
// plugin owns it, because then it is about to be overwritten.
func remember(next *clientcmdapi.Config, from *clientcmdapi.Context, cluster *clientcmdapi.Cluster) {
	context := from.DeepCopy()
	if context.Cluster == currentKey {
		context.Cluster = previousKey
		next.Clusters[previousKey] = cluster.DeepCopy()
	}
	next.Contexts[previousKey] = context
}

// contextRequest says what context to make.
type contextRequest struct {
	// name of the context and of its cluster.
	name string
	// server it points to.
	server string
	// overwrite allows to replace a context of that name.
	overwrite bool
	// stay keeps the current context.
	stay bool
}

// addContext returns config with a context for a server, made of the current
// one, and what to tell the user.
func addContext(config *clientcmdapi.Config, want contextRequest) (next *clientcmdapi.Config, message string, err error) {
	from, cluster, err := currentOf(config)
	if err != nil {
		return nil, "", err
	}
	_, exists := config.Contexts[want.name]
	if exists && !want.overwrite {
		return nil, "", fmt.Errorf("context %q already exists in kubeconfig, use --overwrite to update it", want.name)
	}
	next = config.DeepCopy()
	pointed := cluster.DeepCopy()
	pointed.Server = want.server
	next.Clusters[want.name] = pointed
	context := from.DeepCopy()
	context.Cluster = want.name
	next.Contexts[want.name] = context
	if !want.stay {
		next.CurrentContext = want.name
	}
	return next, contextMessage(want.name, exists, next.CurrentContext != config.CurrentContext), nil
}

func contextMessage(name string, existed, switched bool) string {
	verb, tail := "Created", "."
	if existed {
		verb = "Updated"
	}
	if switched {
		tail = " and switched to it."
	}
	return fmt.Sprintf("%s context %q%s", verb, name, tail)
}

// currentOf returns the current context and its cluster.
func currentOf(config *clientcmdapi.Config) (*clientcmdapi.Context, *clientcmdapi.Cluster, error) {
	context, ok := config.Contexts[config.CurrentContext]
	if !ok {
		return nil, nil, fmt.Errorf("current %q context not found", config.CurrentContext)
	}
	cluster, ok := config.Clusters[context.Cluster]
	if !ok {
		return nil, nil, fmt.Errorf("cluster %q not found in kubeconfig", context.Cluster)
	}
	return context, cluster, nil
}
