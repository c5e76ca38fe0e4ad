package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// lockPatience is how long another program may be at work on a kubeconfig.
	lockPatience = 5 * time.Second
	// lockRetry is how often to look whether it has finished.
	lockRetry = 20 * time.Millisecond
)

// The lock around a change has to begin before the files are read, earlier than
// that of client-go does. Ours has the same name, so kubectl respects it.
func init() { clientcmd.UseModifyConfigLock = false }

// save carries the difference between base and next over to what the files say
// by now, so that what others changed meanwhile stays. Every file is replaced as
// a whole or not at all.
func save(rules *clientcmd.ClientConfigLoadingRules, base, next *clientcmdapi.Config, switched bool) error {
	files := rules.GetLoadingPrecedence()
	unlock, err := lock(files, time.Now().Add(lockPatience))
	if err != nil {
		return err
	}
	defer unlock()
	drafts, err := draft(files)
	defer drafts.discard()
	if err != nil {
		return err
	}
	beside := drafts.rules(rules)
	latest, err := beside.GetStartingConfig()
	if err != nil {
		return err
	}
	if err := clientcmd.ModifyConfig(beside, *merge(base, next, latest, switched), true); err != nil {
		return err
	}
	return drafts.publish()
}

// merge returns latest with what differs between base and next.
func merge(base, next, latest *clientcmdapi.Config, switched bool) *clientcmdapi.Config {
	merged := latest.DeepCopy()
	for name, cluster := range next.Clusters {
		if reflect.DeepEqual(cluster, base.Clusters[name]) {
			continue
		}
		cluster = cluster.DeepCopy()
		cluster.LocationOfOrigin = "" // A new one belongs into the first file, wherever it was copied from.
		if existing := latest.Clusters[name]; existing != nil {
			cluster.LocationOfOrigin = existing.LocationOfOrigin
		}
		merged.Clusters[name] = cluster
	}
	for name, context := range next.Contexts {
		if reflect.DeepEqual(context, base.Contexts[name]) {
			continue
		}
		context = context.DeepCopy()
		context.LocationOfOrigin = ""
		if existing := latest.Contexts[name]; existing != nil {
			context.LocationOfOrigin = existing.LocationOfOrigin
		}
		merged.Contexts[name] = context
	}
	if switched {
		merged.CurrentContext = next.CurrentContext
	}
	return merged
}

// lock keeps other plugins and kubectl from changing the files. A file in a
// folder that does not exist or cannot be written needs none: nobody changes it.
func lock(files []string, deadline time.Time) (unlock func(), err error) {
	var held []string
	unlock = func() {
		for _, name := range held {
			_ = os.Remove(name)
		}
	}
	// Everybody locks in this order, so nobody waits for somebody who waits.
	for _, file := range slices.Compact(slices.Sorted(slices.Values(files))) {
		name := file + ".lock"
		err := lockOne(name, deadline)
		switch {
		case err == nil:
			held = append(held, name)
		case errors.Is(err, fs.ErrExist):
			unlock()
			return nil, fmt.Errorf("another program has been changing %s for %s: wait for it, or remove %s if there is none", file, lockPatience, name)
		}
	}
	return unlock, nil
}

func lockOne(name string, deadline time.Time) error {
	for {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0)
		if err == nil {
			return file.Close()
		}
		if !errors.Is(err, fs.ErrExist) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(lockRetry)
	}
}

// drafts maps files to the drafts of what they will be.
type drafts map[string]*draftFile

type draftFile struct {
	// name of the draft, which lies beside the file because relative paths in it
	// start there.
	name   string
	before []byte
}

// draft copies the files that can be replaced. Others stand for themselves:
// those that do not exist, and those in folders that cannot be written.
func draft(files []string) (drafts, error) {
	made := drafts{}
	for _, file := range files {
		before, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return made, err
		}
		copied, err := os.CreateTemp(filepath.Dir(file), ".kubeconfig-*")
		if err != nil {
			continue
		}
		made[file] = &draftFile{name: copied.Name(), before: before}
		_, err = copied.Write(before)
		if err := errors.Join(err, copied.Close()); err != nil {
			return made, err
		}
	}
	return made, nil
}

// rules are those that lead to the drafts.
func (d drafts) rules(rules *clientcmd.ClientConfigLoadingRules) *clientcmd.ClientConfigLoadingRules {
	beside := &clientcmd.ClientConfigLoadingRules{WarnIfAllMissing: rules.WarnIfAllMissing}
	if rules.ExplicitPath != "" {
		beside.ExplicitPath = d.of(rules.ExplicitPath)
		return beside
	}
	for _, file := range rules.GetLoadingPrecedence() {
		beside.Precedence = append(beside.Precedence, d.of(file))
	}
	return beside
}

func (d drafts) of(file string) string {
	if draft, ok := d[file]; ok {
		return draft.name
	}
	return file
}

// publish puts the drafts that differ in place of the files.
func (d drafts) publish() error {
	for _, file := range slices.Sorted(maps.Keys(d)) {
		after, err := os.ReadFile(d[file].name)
		if err != nil {
			return err
		}
		if bytes.Equal(after, d[file].before) {
			continue
		}
		if err := replace(file, d[file].name, after); err != nil {
			return err
		}
	}
	return nil
}

func (d drafts) discard() {
	for _, draft := range d {
		_ = os.Remove(draft.name)
	}
}

// replace puts a draft in place of a file, with the same mode and owner. Links
// stay links.
func replace(file, draft string, content []byte) error {
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o200 == 0 {
		return fmt.Errorf("%s is read-only: make it writable, or copy it and name the copy in $KUBECONFIG", file)
	}
	if prepare(draft, info) == nil && os.Rename(draft, target) == nil {
		return nil
	}
	// A mounted file cannot be replaced, nor can one in somebody else's folder.
	return os.WriteFile(target, content, info.Mode().Perm())
}

// prepare makes a draft ready to take the place of a file.
func prepare(draft string, info fs.FileInfo) error {
	if err := os.Chmod(draft, info.Mode().Perm()); err != nil {
		return err
	}
	if err := giveTo(draft, info); err != nil {
		return err
	}
	file, err := os.OpenFile(draft, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	// On disk before its name is, or a crash would leave an empty file.
	return errors.Join(file.Sync(), file.Close())
}
