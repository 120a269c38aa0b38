"""Identity of a network: its connections, geometry, rights of way and link indices, not its programs."""

from __future__ import annotations

import hashlib

from sumo_networks.net_file import NetFile


def network_hash(net: NetFile) -> str:
    """First 32 hex digits of the SHA-256 over the sorted content; the same for a plain and a gzipped file."""
    lines = [
        f"c {c.from_edge} {c.from_lane} {c.to_edge} {c.to_lane} {c.via} {c.tl} {c.link} {c.direction}"
        for c in net.connections
    ]
    for lane in net.lanes.values():
        shape = " ".join(f"{x:.2f},{y:.2f}" for x, y in lane.shape)
        classes = f"{' '.join(sorted(lane.allow))}|{' '.join(sorted(lane.disallow))}"
        lines.append(f"l {lane.id} {lane.length_m:.2f} {lane.speed_m_s:.2f} {lane.width_m:.2f} {classes} {shape}")
    for node in net.nodes.values():
        requests = " ".join(f"{i}:{node.responses[i]}:{node.foes[i]}" for i in sorted(node.foes))
        lines.append(f"n {node.id} {node.type} {node.x:.2f} {node.y:.2f} {requests}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:32]
