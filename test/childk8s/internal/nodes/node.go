package nodes

import (
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fakeAnnotation is how kwok's own tools mark a node that is not a machine.
const fakeAnnotation = "kwok.x-k8s.io/node"

// Template says what the nodes of a child look like.
type Template struct {
	// ClusterName is the first part of the node names and the nodes' region.
	ClusterName string
	// Version is shown as the kubelet's, like v1.37.0.
	Version string
	// KubeletPort is where kwok answers for the nodes, on 127.0.0.1.
	KubeletPort int32
}

// Name is the name of the node with that index, counted from 0.
func (t Template) Name(index int) string {
	return fmt.Sprintf("%s-node-%d", t.ClusterName, index+1)
}

// Node is the object of the node with that index, with the status fields that kwok leaves alone. The
// capacity is large enough that tests do not fill it by accident, and small enough that they can.
func (t Template) Node(index int) *corev1.Node {
	name := t.Name(index)
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("32"),
		corev1.ResourceMemory:           resource.MustParse("128Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("500Gi"),
		corev1.ResourcePods:             resource.MustParse("1000"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{fakeAnnotation: "fake"},
			Labels: map[string]string{
				corev1.LabelHostname:       name,
				corev1.LabelArchStable:     "amd64",
				corev1.LabelOSStable:       "linux",
				corev1.LabelTopologyRegion: t.ClusterName,
				corev1.LabelTopologyZone:   fmt.Sprintf("%s-%d", t.ClusterName, index+1),
				"type":                     "kwok",
			},
		},
		Status: corev1.NodeStatus{
			Capacity:        capacity,
			Allocatable:     capacity,
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}, {Type: corev1.NodeHostName, Address: name}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: t.KubeletPort}},
			NodeInfo: corev1.NodeSystemInfo{
				KubeletVersion:          t.Version,
				Architecture:            "amd64",
				OperatingSystem:         "linux",
				OSImage:                 "simulated by kwok",
				ContainerRuntimeVersion: "kwok://none",
			},
		},
	}
}

// NotReadyReason says what a pod could not be scheduled to the node for, in a reader's words; "" when
// nothing is in its way. The lease must be one that was renewed after since: on old data the node looks
// Ready although nobody answers for it yet.
func NotReadyReason(node *corev1.Node, lease *coordinationv1.Lease, since time.Time) string {
	if lease == nil || lease.Spec.RenewTime == nil || lease.Spec.RenewTime.Time.Before(since) {
		return fmt.Sprintf("node %s has not reported yet", node.Name)
	}
	isReady := func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	}
	if !slices.ContainsFunc(node.Status.Conditions, isReady) {
		return fmt.Sprintf("node %s is not Ready", node.Name)
	}
	for _, taint := range node.Spec.Taints {
		if taint.Key == corev1.TaintNodeNotReady || taint.Key == corev1.TaintNodeUnreachable {
			return fmt.Sprintf("node %s still has the taint %s", node.Name, taint.Key)
		}
	}
	return ""
}
