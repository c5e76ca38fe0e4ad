package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

const (
	// namespace is where all objects are.
	namespace = "default"
	// stampKey in the data of a ConfigMap tells one write from the next.
	stampKey = "stamp"
)

// payload is what else is in a ConfigMap.
var payload = strings.Repeat("0123456789abcdef", 16)

func configMap(name string, stamp int) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Data:       map[string]string{stampKey: strconv.Itoa(stamp), "payload": payload},
	}
}

// stampOf is under which arrivals know a write of a ConfigMap.
func stampOf(name string, stamp int) string { return name + "#" + strconv.Itoa(stamp) }

// stamped gives the key of a write that was seen.
func stamped(event watch.Event) string {
	object, ok := event.Object.(*corev1.ConfigMap)
	if !ok || event.Type == watch.Deleted || object.Data[stampKey] == "" {
		return ""
	}
	return object.Name + "#" + object.Data[stampKey]
}

// patchStamp changes one key of a ConfigMap, and nothing that others wrote.
func patchStamp(ctx context.Context, in configMaps, name string, stamp int) error {
	patch := fmt.Appendf(nil, `{"data":{%q:"%d"}}`, stampKey, stamp)
	if _, err := in.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("failed to change ConfigMap %s: %w", name, err)
	}
	return nil
}

// createStamped creates a ConfigMap and waits until seen has it.
func createStamped(ctx context.Context, in configMaps, seen *arrivals, name string) (*ticket, error) {
	t := seen.expect(stampOf(name, 0))
	if _, err := in.Create(ctx, configMap(name, 0), metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("failed to create ConfigMap %s: %w", name, err)
	}
	_, err := seen.wait(ctx, t)
	return t, err
}

// updateStamped changes a ConfigMap and waits until seen has it.
func updateStamped(ctx context.Context, in configMaps, seen *arrivals, name string, stamp int) (*ticket, error) {
	t := seen.expect(stampOf(name, stamp))
	if err := patchStamp(ctx, in, name, stamp); err != nil {
		return nil, err
	}
	_, err := seen.wait(ctx, t)
	return t, err
}

// configMaps is a client for the ConfigMaps of a namespace.
type configMaps = typedcorev1.ConfigMapInterface
