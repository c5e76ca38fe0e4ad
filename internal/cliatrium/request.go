package cliatrium

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// maxTargetName leaves room for what is put around the name of a sync target in
// the names of other objects.
const maxTargetName = validation.DNS1123SubdomainMaxLength - len(syncerIDPrefix) - 1 - hashLength

// registration is what "sync" was asked to register.
type registration struct {
	name   string
	labels map[string]string
	// allowed is nil when nothing was said about it.
	allowed *string
	exports []tenancyv1alpha1.APIExportReference
}

// parseRegistration checks what was typed. Nothing was asked of the hub yet, so
// nothing is half done when it fails.
func parseRegistration(name string, labels, allowed []string, allowedSet bool, exports []string) (registration, error) {
	r := registration{name: name}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 || len(name) > maxTargetName {
		return r, fmt.Errorf("invalid name %q for a synctarget: use at most %d characters of a-z, 0-9, '-' and '.', the first and last of them a letter or digit", name, maxTargetName)
	}
	var err error
	if r.labels, err = parseLabels(labels); err != nil {
		return r, err
	}
	if allowedSet {
		text, err := parseAllowed(allowed)
		if err != nil {
			return r, err
		}
		r.allowed = &text
	}
	for _, typed := range exports {
		path, export, err := parseExport(typed)
		if err != nil {
			return r, err
		}
		r.exports = append(r.exports, tenancyv1alpha1.APIExportReference{Path: path.String(), Export: export})
	}
	return r, nil
}

func parseLabels(typed []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, word := range typed {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("invalid label %q: write key=value, such as region=eu", word)
		}
		if problems := validation.IsQualifiedName(key); len(problems) > 0 {
			return nil, fmt.Errorf("invalid label %q: its key: %s", word, strings.Join(problems, "; "))
		}
		if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
			return nil, fmt.Errorf("invalid label %q: its value: %s", word, strings.Join(problems, "; "))
		}
		if other, twice := labels[key]; twice && other != value {
			return nil, fmt.Errorf("label %q is given twice, as %q and as %q: leave one out", key, other, value)
		}
		labels[key] = value
	}
	return labels, nil
}

func parseAllowed(typed []string) (string, error) {
	var paths []string
	for _, word := range typed {
		path := strings.TrimPrefix(strings.TrimSpace(word), ":")
		if path != "*" && !logicalcluster.Path(path).IsValid() {
			return "", fmt.Errorf("invalid workspace %q in --allow-workspaces: write an absolute path, such as root:acme, or * for all", word)
		}
		paths = append(paths, path)
	}
	return strings.Join(paths, ","), nil
}

// parseExport takes "root:compute:kubernetes" apart.
func parseExport(typed string) (logicalcluster.Path, string, error) {
	path, name := logicalcluster.Path(strings.TrimPrefix(typed, ":")).Split()
	if !path.IsValid() || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return "", "", fmt.Errorf("invalid APIExport %q: write <absolute path of its workspace>:<name>, such as root:compute:kubernetes", typed)
	}
	return path, name, nil
}

// syncTarget is the object to create.
func (r registration) syncTarget() *workloadv1alpha1.SyncTarget {
	target := &workloadv1alpha1.SyncTarget{
		ObjectMeta: metav1.ObjectMeta{Name: r.name, Labels: r.labels},
		Spec:       workloadv1alpha1.SyncTargetSpec{SupportedAPIExports: r.exports},
	}
	if r.allowed != nil {
		target.Annotations = map[string]string{workloadv1alpha1.AllowedWorkspacesAnnotation: *r.allowed}
	}
	return target
}

// update returns the merge patch that makes an existing SyncTarget what was asked
// for, or nil. Labels that were not mentioned stay.
func (r registration) update(existing *workloadv1alpha1.SyncTarget) map[string]any {
	labels, annotations := map[string]any{}, map[string]any{}
	for key, value := range r.labels {
		if old, ok := existing.Labels[key]; !ok || old != value {
			labels[key] = value
		}
	}
	if old, ok := existing.Annotations[workloadv1alpha1.AllowedWorkspacesAnnotation]; r.allowed != nil && (!ok || old != *r.allowed) {
		annotations[workloadv1alpha1.AllowedWorkspacesAnnotation] = *r.allowed
	}
	metadata := map[string]any{}
	if len(labels) > 0 {
		metadata["labels"] = labels
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	if len(metadata) == 0 {
		return nil
	}
	return map[string]any{"metadata": metadata}
}

// location returns the Location by which Placements can select the labels that
// were given, or nil when there were none or one of the existing Locations does.
func (r registration) location(existing []schedulingv1alpha1.Location) *schedulingv1alpha1.Location {
	if len(r.labels) == 0 {
		return nil
	}
	for _, l := range existing {
		if l.Name == r.name || contains(l.Labels, r.labels) {
			return nil
		}
	}
	return &schedulingv1alpha1.Location{
		ObjectMeta: metav1.ObjectMeta{Name: r.name, Labels: r.labels},
		Spec: schedulingv1alpha1.LocationSpec{
			Resource:         schedulingv1alpha1.SyncTargetResource,
			InstanceSelector: &metav1.LabelSelector{MatchLabels: r.labels},
		},
	}
}

func contains(all, part map[string]string) bool {
	for key, value := range part {
		if other, ok := all[key]; !ok || other != value {
			return false
		}
	}
	return true
}
