//! Microsoft's compound files (MS-CFB): one stream out of them, and into one of its own.

/// Ends a chain of sectors, as does whatever lies above it.
const SPECIAL: u32 = 0xffff_fffa;
const END_OF_CHAIN: u32 = 0xffff_fffe;
const FREE: u32 = 0xffff_ffff;
const FAT_SECTOR: u32 = 0xffff_fffd;
const HEADER_BYTES: usize = 512;
const ENTRY_BYTES: usize = 128;
/// A shorter stream lies in the mini stream.
const MINI_STREAM_BYTES_MAX: usize = 4096;
const MINI_SECTOR_BYTES: usize = 64;
/// Of the files that we write; so large that the header names all sectors of the table of sectors.
const SECTOR_BYTES: usize = 4096;
const HEADER_FATS: usize = 109;
const SIGNATURE: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// A compound file in memory.
pub(super) struct Compound<'a> {
    bytes: &'a [u8],
    sector_bytes: usize,
    fat: Vec<u32>,
    /// Name, first sector and length of each stream; the root's is the mini stream.
    entries: Vec<(String, u32, usize)>,
}

impl<'a> Compound<'a> {
    /// None if it is broken.
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let sector_bytes = match u16_at(bytes, 30)? {
            9 => 512,
            12 => 4096,
            _ => return None,
        };
        let mut compound = Self { bytes, sector_bytes, fat: Vec::new(), entries: Vec::new() };
        let sectors_max = bytes.len() / sector_bytes + 1;
        let mut fat_sectors: Vec<u32> = (0..HEADER_FATS).filter_map(|at| u32_at(bytes, 76 + 4 * at)).collect();
        let mut next = u32_at(bytes, 68)?;
        for _ in 0..sectors_max {
            if next >= SPECIAL {
                break;
            }
            let mut listed = numbers(compound.sector(next)?);
            next = listed.pop()?;
            fat_sectors.extend(listed);
        }
        for sector in fat_sectors.into_iter().filter(|sector| *sector < SPECIAL).take(sectors_max) {
            compound.fat.extend(numbers(compound.sector(sector)?));
        }
        let directory = compound.chain(u32_at(bytes, 48)?, usize::MAX)?;
        let entry = |entry: &[u8]| {
            let name: Vec<u16> = (0..32).map_while(|at| u16_at(entry, 2 * at).filter(|unit| *unit != 0)).collect();
            Some((String::from_utf16_lossy(&name), u32_at(entry, 116)?, usize::try_from(u32_at(entry, 120)?).ok()?))
        };
        compound.entries = directory.chunks_exact(ENTRY_BYTES).filter_map(entry).collect();
        Some(compound)
    }

    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(there, _, _)| there.eq_ignore_ascii_case(name))
    }

    /// None if there is no such stream, or not all of it.
    pub fn stream(&self, name: &str) -> Option<Vec<u8>> {
        let (_, start, length) = self.entries.iter().find(|(there, _, _)| there.eq_ignore_ascii_case(name))?;
        match *length < MINI_STREAM_BYTES_MAX {
            true => self.mini_stream(*start, *length),
            false => self.chain(*start, *length).filter(|stream| stream.len() == *length),
        }
    }

    fn mini_stream(&self, start: u32, length: usize) -> Option<Vec<u8>> {
        let (_, root, root_length) = self.entries.first()?;
        let (mini, fat) =
            (self.chain(*root, *root_length)?, numbers(&self.chain(u32_at(self.bytes, 60)?, usize::MAX)?));
        let (mut stream, mut next) = (Vec::new(), start);
        while stream.len() < length {
            let at = usize::try_from(next).ok()?.checked_mul(MINI_SECTOR_BYTES)?;
            stream.extend_from_slice(mini.get(at..at.checked_add(MINI_SECTOR_BYTES)?)?);
            next = *fat.get(usize::try_from(next).ok()?)?;
        }
        stream.truncate(length);
        Some(stream)
    }

    /// The bytes of the sectors from `start` on, up to `length`. A chain that is longer than the file goes in a circle.
    fn chain(&self, start: u32, length: usize) -> Option<Vec<u8>> {
        let (mut chain, mut next) = (Vec::new(), start);
        while next < SPECIAL && chain.len() < length {
            if chain.len() > self.bytes.len() {
                return None;
            }
            chain.extend_from_slice(self.sector(next)?);
            next = *self.fat.get(usize::try_from(next).ok()?)?;
        }
        chain.truncate(length);
        Some(chain)
    }

    /// The last sector may be cut off.
    fn sector(&self, number: u32) -> Option<&'a [u8]> {
        let start = usize::try_from(number).ok()?.checked_add(1)?.checked_mul(self.sector_bytes)?;
        let end = start.checked_add(self.sector_bytes)?.min(self.bytes.len());
        self.bytes.get(start..end)
    }
}

/// A compound file of nothing but the stream `Workbook`. None if it is longer than such files are made here: some 400 MiB.
pub(super) fn compound_of(mut workbook: Vec<u8>) -> Option<Vec<u8>> {
    // Short ones would lie in a mini stream.
    let length = workbook.len().max(MINI_STREAM_BYTES_MAX).next_multiple_of(SECTOR_BYTES);
    workbook.resize(length, 0);
    let data = length / SECTOR_BYTES;
    // After the data the directory, and then the table of all sectors, which has 1,024 in each of its own.
    let fats = (data + 1).div_ceil(SECTOR_BYTES / 4 - 1);
    if fats > HEADER_FATS {
        return None;
    }
    let mut fat: Vec<u32> = (1..data).filter_map(|next| u32::try_from(next).ok()).collect();
    fat.extend([END_OF_CHAIN, END_OF_CHAIN]);
    fat.extend(std::iter::repeat_n(FAT_SECTOR, fats));
    fat.resize(fats * SECTOR_BYTES / 4, FREE);
    let directory = u32::try_from(data).ok()?;

    let mut file = Vec::with_capacity((data + fats + 2) * SECTOR_BYTES);
    file.extend(SIGNATURE);
    file.extend([0; 16]);
    // Minor and major version, byte order, sizes of sectors and mini sectors as powers of two.
    file.extend([0x3e_u16, 4, 0xfffe, 12, 6].iter().flat_map(|number| number.to_le_bytes()));
    file.extend([0; 6]);
    let numbers = [1, u32::try_from(fats).ok()?, directory, 0, 4096, END_OF_CHAIN, 0, END_OF_CHAIN, 0];
    file.extend(numbers.iter().flat_map(|number: &u32| number.to_le_bytes()));
    for at in 0..HEADER_FATS {
        let sector = if at < fats { directory + 1 + u32::try_from(at).ok()? } else { FREE };
        file.extend(sector.to_le_bytes());
    }
    debug_assert_eq!(file.len(), HEADER_BYTES);
    file.resize(SECTOR_BYTES, 0);
    file.append(&mut workbook);
    file.extend(directory_entry("Root Entry", 5, 0, 0, 1));
    file.extend(directory_entry("Workbook", 2, 0, length, FREE));
    file.resize((data + 2) * SECTOR_BYTES, 0);
    file.extend(fat.iter().flat_map(|number| number.to_le_bytes()));
    Some(file)
}

fn directory_entry(name: &str, kind: u8, start: u32, length: usize, child: u32) -> Vec<u8> {
    let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let name_bytes = u16::try_from(entry.len() + 2).unwrap_or_default();
    entry.resize(64, 0);
    entry.extend(name_bytes.to_le_bytes());
    entry.extend([kind, 1]);
    entry.extend([FREE, FREE, child].iter().flat_map(|number| number.to_le_bytes()));
    entry.resize(116, 0);
    entry.extend(start.to_le_bytes());
    entry.extend((length as u64).to_le_bytes());
    entry
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|number| u16::from_le_bytes(*number))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|number| u32::from_le_bytes(*number))
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).filter_map(|number| u32_at(number, 0)).collect()
}
