// Package hotplug lets interfaces come and go under lease6d, each with a VM behind it, while VMs on others are served. It
// sees from when on a new interface is served, whether the others notice, and whether anything is left behind.
package hotplug
